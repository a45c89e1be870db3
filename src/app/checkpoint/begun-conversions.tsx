import { DeleteButton } from '../controls/delete-button.tsx';
import { formatBytes } from '../format.ts';
import { discardBegun, reportOf, resumeBegun } from './checkpoint-session.ts';
import { useCheckpointStore } from './checkpoint-store.ts';

/** Conversions of earlier visits that have not ended. */
export function BegunConversions({ token }: { token: string }) {
  const begun = useCheckpointStore((state) => state.begun);
  const status = useCheckpointStore((state) => state.status);
  const busy = status.kind === 'inspecting';
  // One thing at a time: with a checkpoint on show, that one is what it is about.
  if (begun.length === 0 || reportOf(status)) return null;
  return (
    <ul className="stored" aria-label="Conversions that have not ended">
      {begun.map((one) => (
        <li key={one.key} className="stored-row">
          <div>
            <strong>{one.name}</strong>
            <p className="aside">
              {Math.floor(100 * one.kept)} % converted, {one.bits} bits, {formatBytes(one.packageBytes)}; from{' '}
              {one.from}
            </p>
          </div>
          <div className="actions">
            {one.kind === 'address' ? (
              <button type="button" disabled={busy} onClick={() => void resumeBegun(one, token)}>
                Go on
              </button>
            ) : (
              <span className="aside">Choose the folder again to go on.</span>
            )}
            <DeleteButton disabled={busy} onDelete={() => void discardBegun(one)} />
          </div>
        </li>
      ))}
    </ul>
  );
}
