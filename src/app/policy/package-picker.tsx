import { useState } from 'react';
import { defaultPolicyUrl } from '../url-state.ts';
import { openPolicy } from './policy-session.ts';
import { usePolicyStore } from './policy-store.ts';

/** Opens another package by the address of its manifest. */
export function PackagePicker({ open: unfolded = false }: { open?: boolean }) {
  const current = usePolicyStore((state) => state.url);
  const [typed, setTyped] = useState<string | null>(null);
  const url = typed ?? current;
  const open = (next: string): void => {
    setTyped(null);
    void openPolicy(URL.parse(next, document.baseURI)?.href ?? next);
  };
  return (
    <details className="picker" open={unfolded}>
      <summary>Use another policy</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          open(url);
        }}
      >
        <label htmlFor="policy-url">Address of its manifest.json</label>
        <input id="policy-url" type="url" required value={url} onChange={(e) => setTyped(e.target.value)} />
        <div className="actions">
          <button type="submit">Open</button>
          {current !== defaultPolicyUrl() && (
            <button type="button" onClick={() => open(defaultPolicyUrl())}>
              Back to the default policy
            </button>
          )}
        </div>
      </form>
    </details>
  );
}
