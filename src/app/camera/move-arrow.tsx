import { usePredictionStore } from '../prediction/prediction-store.ts';
import { MAX_TRANSLATION } from '../../practice/units.ts';
import { isShippedPolicy } from '../url-state.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { arrowOf } from './arrow-of.ts';

/** Side of the drawing. */
const SIZE = 100;

/** Where the predicted chunk would move the gripper, over the picture. */
export function MoveArrow({ info }: { info: PolicyInfo }) {
  const latest = usePredictionStore((state) => state.latest);
  // Where another robot's camera stands, nobody here knows.
  if (!latest || !isShippedPolicy(info.package.url) || info.adapted) return null;
  const { x, y, metres } = arrowOf(latest.actions, MAX_TRANSLATION);
  const [tipX, tipY] = [SIZE / 2 + (x * SIZE) / 2, SIZE / 2 + (y * SIZE) / 2];
  return (
    <svg
      className="move-arrow"
      viewBox={`0 0 ${SIZE} ${SIZE}`}
      role="img"
      aria-label={`The gripper would move ${(100 * metres).toFixed(1)} cm, seen as the table’s camera sees it`}
    >
      <line x1={SIZE / 2} y1={SIZE / 2} x2={tipX} y2={tipY} />
      <circle cx={tipX} cy={tipY} r={3} />
    </svg>
  );
}
