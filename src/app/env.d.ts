interface ImportMetaEnv {
  /** Of the policy in public/models/default; see vite.config.ts. */
  readonly POLICY_VERSION: string;
}
