/** What is worth sharing lives in the address: which policy, and which instruction. */
export interface UrlState {
  /** Address of the package's manifest, absolute. */
  policyUrl: string;
  instruction: string;
}

/** The package that comes with the page. */
export function defaultPolicyUrl(): string {
  return new URL(`${import.meta.env.BASE_URL}models/default/manifest.json`, document.baseURI).href;
}

export function readUrlState(): UrlState {
  const query = new URLSearchParams(location.search);
  const policy = query.get('policy');
  const given = policy ? (URL.parse(policy, document.baseURI)?.href ?? policy) : null;
  return { policyUrl: given ?? defaultPolicyUrl(), instruction: query.get('instruction') ?? '' };
}

/** Replaces, not pushes: typing must not fill the history. */
export function writeUrlState(change: Partial<UrlState>): void {
  const url = new URL(location.href);
  if (change.policyUrl !== undefined) {
    if (change.policyUrl === defaultPolicyUrl()) url.searchParams.delete('policy');
    else url.searchParams.set('policy', change.policyUrl);
  }
  if (change.instruction !== undefined) {
    if (change.instruction) url.searchParams.set('instruction', change.instruction);
    else url.searchParams.delete('instruction');
  }
  history.replaceState(null, '', url);
}
