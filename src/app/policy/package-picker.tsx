import { lazy, Suspense, useState } from 'react';
import { useCheckpointStore } from '../checkpoint/checkpoint-store.ts';
import { defaultPolicyUrl } from '../url-state.ts';
import { openPolicy } from './policy-session.ts';
import { usePolicyStore } from './policy-store.ts';

// What a visitor who takes the policy of the page does not need is loaded when it is first asked for.
const CheckpointPicker = lazy(async () => ({
  default: (await import('../checkpoint/checkpoint-picker.tsx')).CheckpointPicker,
}));

/** What an address names that this device made a package of, to begin with. */
function checkpointOf(url: string): string {
  if (!url.startsWith('checkpoint:')) return '';
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  return query.has('folder') ? '' : (query.get('from') ?? '');
}

/** Opens another package by the address of its manifest. */
export function PackagePicker({ open: unfolded = false }: { open?: boolean }) {
  // A conversion goes on wherever the page has gone meanwhile.
  const converting = useCheckpointStore(({ status }) => status.kind !== 'idle');
  const [shown, setShown] = useState(unfolded || converting);
  const current = usePolicyStore((state) => state.url);
  const [typed, setTyped] = useState<string | null>(null);
  const url = typed ?? current;
  const open = (next: string): void => {
    setTyped(null);
    void openPolicy(URL.parse(next, document.baseURI)?.href ?? next);
  };
  return (
    <details
      className="picker"
      open={unfolded || converting}
      onToggle={(event) => {
        if (event.currentTarget.open) setShown(true);
      }}
    >
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
      {shown && (
        <Suspense fallback={<p className="waiting">Loading…</p>}>
          <CheckpointPicker address={checkpointOf(current)} />
        </Suspense>
      )}
    </details>
  );
}
