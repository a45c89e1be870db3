/** finetune.py's metrics, of the current action and of the rest of the chunk. */
import { actionCount, type HeadConfig, type Measured } from './head.ts';

export const UNMEASURED: Measured = {
  currentL1: null,
  nextL1: null,
  currentAccuracy: null,
  nextAccuracy: null,
};

/** Mean absolute differences of normalised actions [B · chunk · dim]. */
export function actionErrors(
  config: HeadConfig,
  predicted: ArrayLike<number>,
  target: ArrayLike<number>,
): Pick<Measured, 'currentL1' | 'nextL1'> {
  const [currentL1, nextL1] = means(config, target.length, (i) => Math.abs(predicted[i]! - target[i]!));
  return { currentL1, nextL1 };
}

/** Shares of tokens [B · chunk · dim] that are right. */
export function tokenAccuracies(
  config: HeadConfig,
  predicted: ArrayLike<number>,
  target: ArrayLike<number>,
): Pick<Measured, 'currentAccuracy' | 'nextAccuracy'> {
  const [currentAccuracy, nextAccuracy] = means(config, target.length, (i) =>
    predicted[i] === target[i] ? 1 : 0,
  );
  return { currentAccuracy, nextAccuracy };
}

function means(
  config: HeadConfig,
  count: number,
  value: (i: number) => number,
): [number | null, number | null] {
  const chunk = actionCount(config);
  const width = config.profile.actions.length;
  const sums = [0, 0];
  const counts = [0, 0];
  for (let i = 0; i < count; i++) {
    const part = i % chunk < width ? 0 : 1;
    sums[part]! += value(i);
    counts[part]! += 1;
  }
  const mean = (part: 0 | 1) => (counts[part]! > 0 ? sums[part]! / counts[part]! : null);
  return [mean(0), mean(1)];
}
