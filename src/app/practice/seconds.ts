import { usePracticeStore } from './practice-store.ts';

/** Actions per second of the table's own robot. */
const OWN_HZ = 10;

/** How long so many actions of the robot at the table take. */
export function seconds(steps: number): string {
  const hz = usePracticeStore.getState().table?.profile?.controlHz ?? OWN_HZ;
  return `${Number((steps / hz).toFixed(1))} s`;
}
