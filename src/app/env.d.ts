interface ImportMetaEnv {
  /** Of the policy that the page opens with; see vite.config.ts. */
  readonly POLICY_VERSION: string;
  readonly PAGE_TITLE: string;
}
