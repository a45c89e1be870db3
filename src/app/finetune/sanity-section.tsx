import { useState } from 'react';
import type { ChunkCheck, DemonstrationsInfo } from '../../workers/contract-finetune.ts';
import { currentPolicy, usePolicyInfo } from '../policy/policy-store.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { toFailure, type Failure } from '../status/failure.ts';
import { useFineTuneStore } from './finetune-store.ts';

/** Training frames that are put through the policy. */
const FRAMES = 24;

interface Row {
  readonly episode: number;
  readonly step: number;
  readonly check: ChunkCheck;
}

/** Evenly over all episodes and their steps. */
function places(info: DemonstrationsInfo, chunk: number): { episode: number; step: number }[] {
  const usable = info.episodes.filter(({ length }) => length >= chunk);
  if (usable.length === 0) return [];
  return Array.from({ length: Math.min(FRAMES, info.samples) }, (_, i) => {
    const { index, length } = usable[Math.floor((i * usable.length) / FRAMES) % usable.length]!;
    return { episode: index, step: Math.round(((i % 4) / 3) * (length - chunk)) };
  });
}

/** Upstream's first sanity check: what the policy makes of frames it was trained on. A policy that does not fit those fits nothing. */
export function SanitySection() {
  const demonstrations = useFineTuneStore((state) => state.demonstrations);
  const active = useFineTuneStore((state) => state.active);
  const policy = usePolicyInfo();
  const [rows, setRows] = useState<readonly Row[]>([]);
  const [left, setLeft] = useState<number | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  if (demonstrations.kind !== 'open' || !policy) return null;
  const { info } = demonstrations;
  const run = async (): Promise<void> => {
    setFailure(null);
    setRows([]);
    const wanted = places(info, currentPolicy()!.chunkSize);
    const done: Row[] = [];
    try {
      for (const place of wanted) {
        setLeft(wanted.length - done.length);
        const check = await policyWorker().demonstrations.check(place.episode, place.step);
        done.push({ ...place, check });
        setRows([...done]);
      }
    } catch (error) {
      setFailure(toFailure(error));
    } finally {
      setLeft(null);
    }
  };
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
      <h3 id="sanity-title">Does it fit what it was shown?</h3>
      <p className="section-hint">
        Frames of the demonstrations through the policy, predicted against recorded: the first thing to look
        at when a policy does not work.
      </p>
      <div className="actions">
        <button type="button" disabled={left !== null} onClick={() => void run()}>
          Check {Math.min(FRAMES, info.samples)} frames
        </button>
        {left !== null && <p className="waiting">{left} left</p>}
        {rows.length > 0 && (
          <p role="status">
            L1 <strong className="number">{mean.toFixed(4)}</strong>{' '}
            <span className="aside">
              normalised, over {rows.length} frames, {active ?? 'the policy as it was loaded'}
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
