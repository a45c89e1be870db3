import { usePolicyInfo } from '../policy/policy-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { useFineTuneStore } from './finetune-store.ts';
import { predictorName } from './predictor-name.ts';
import { FRAMES, scoreFrames, useScoreStore } from './score-session.ts';

/** Upstream's first sanity check. A policy that does not fit what it was trained on fits nothing. */
export function SanitySection() {
  const demonstrations = useFineTuneStore((state) => state.demonstrations);
  // Another one may be in use by now.
  useFineTuneStore((state) => state.active);
  const policy = usePolicyInfo();
  const score = useScoreStore();
  if (demonstrations.kind !== 'open' || !policy) return null;
  const { info } = demonstrations;
  const { left, failure, by } = score;
  const rows = score.fingerprint === info.fingerprint ? score.frames : [];
  const mean = rows.reduce((sum, { check }) => sum + check.l1, 0) / Math.max(1, rows.length);
  // Another robot may be in use by now: these are of the demonstrations.
  const names = info.action.map(({ name }) => name);
  const perAction = names.map(
    (_, i) =>
      rows.reduce(
        (sum, { check: { predicted, recorded } }) =>
          sum +
          predicted.reduce((s, row, t) => s + Math.abs(row[i]! - recorded[t]![i]!), 0) / predicted.length,
        0,
      ) / Math.max(1, rows.length),
  );
  return (
    <section className="teach-part" aria-labelledby="sanity-title">
      <h3 id="sanity-title">Error on training frames</h3>
      <p className="section-hint">
        Frames of the demonstrations through the policy, predicted against recorded: the first thing to look
        at when a policy does not work.
      </p>
      <div className="actions">
        <button type="button" disabled={left !== null} onClick={() => void scoreFrames(info)}>
          Check {Math.min(FRAMES, info.samples)} frames
        </button>
        {left !== null && <p className="waiting">{left} left</p>}
        {rows.length > 0 && (
          <p role="status">
            L1 <strong className="number">{mean.toFixed(4)}</strong>{' '}
            <span className="aside">
              normalised, over {rows.length} frames, by {by}
              {left === null && by !== predictorName() && ', which is not in use now'}
            </span>
          </p>
        )}
      </div>
      {failure && <FailureNotice failure={failure} />}
      {rows.length > 0 && (
        <details>
          <summary>By action</summary>
          <table>
            <thead>
              <tr>
                <th scope="col">action</th>
                <th scope="col">mean difference, as recorded</th>
              </tr>
            </thead>
            <tbody>
              {names.map((name, i) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{perAction[i]!.toFixed(4)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </section>
  );
}
