import { usePolicyInfo } from '../policy/policy-store.ts';
import { counted } from '../format.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { useFineTuneStore } from './finetune-store.ts';
import { predictorName } from './predictor-name.ts';
import { scoreReport, type ScoreReport } from './score-report.ts';
import { FRAMES, scoreFrames, useScoreStore } from './score-session.ts';

const percent = (of: number): string => `${Math.round(100 * of)} %`;

/** Whether it is better than knowing nothing of the frames, and which of its statistics are meant for such data. */
function Verdict({ report, inForce }: { report: ScoreReport; inForce: string }) {
  const { ratio, keys } = report;
  const [best] = keys;
  return (
    <>
      <p>
        Its error is <strong className="number">{percent(ratio)}</strong> of that of always predicting the
        mean
        {ratio < 0.9 ? '.' : ': it does not do on these frames what was recorded.'}
      </p>
      {best && keys.length > 1 && (
        <p>
          Of its {keys.length} statistics, <strong>{best.key}</strong> fit best: {percent(best.ratio)} of that
          error
          {best.key === inForce ? ', and are in use.' : `; in use are ${inForce}, with ${percent(ratio)}.`}
        </p>
      )}
    </>
  );
}

/** Upstream's first sanity check. A policy that does not fit what it was trained on fits nothing. */
export function SanitySection({ title = 'Error on training frames' }: { title?: string }) {
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
  const report =
    rows.length > 0 &&
    scoreReport(
      rows.map(({ check }) => check),
      info.action,
    );
  return (
    <section className="teach-part" aria-labelledby="sanity-title">
      <h3 id="sanity-title">{title}</h3>
      <p className="section-hint">
        Frames of the demonstrations through the policy, predicted against recorded: the first thing to look
        at when a policy does not work.
      </p>
      <div className="actions">
        <button type="button" disabled={left !== null} onClick={() => void scoreFrames(info)}>
          Check {counted(Math.min(FRAMES, info.samples), 'frame')}
        </button>
        {left !== null && <p className="waiting">{left} left</p>}
        {rows.length > 0 && (
          <p role="status">
            L1 <strong className="number">{mean.toFixed(4)}</strong>{' '}
            <span className="aside">
              normalised, over {counted(rows.length, 'frame')}, by {by}
              {left === null && by !== predictorName() && ', which is not in use now'}
            </span>
          </p>
        )}
      </div>
      {failure && <FailureNotice failure={failure} />}
      {report && left === null && <Verdict report={report} inForce={rows[0]!.check.unnormKey} />}
      {report && (
        <details>
          <summary>By action</summary>
          <table>
            <thead>
              <tr>
                <th scope="col">action</th>
                <th scope="col">mean difference, as recorded</th>
                <th scope="col">of always predicting the mean</th>
              </tr>
            </thead>
            <tbody>
              {report.dimensions.map(({ name, policy: error, mean: ofMean }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{error.toFixed(4)}</td>
                  <td>{ofMean.toFixed(4)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </section>
  );
}
