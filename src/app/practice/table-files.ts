/** On a slow line what the table takes comes first, then the policy: there is something to see in half the time, and nothing comes later than before. */
import physics from '@mujoco/mujoco/mujoco.wasm?url';
import { useViewStore } from '../view-store.ts';

const shown = (): boolean => {
  const { step, view } = useViewStore.getState();
  return step === 'run' && view === 'table';
};

/**
 * Begins to fetch the largest file of the table, MuJoCo; the worker that needs it is not here yet, and finds it in the browser's cache.
 * @returns resolves when it is here, cannot be had, or the table is not what is shown any more
 */
export function fetchTableFirst(): Promise<void> {
  if (!shown()) return Promise.resolve();
  const left = new Promise<void>((resolve) => {
    const unsubscribe = useViewStore.subscribe(() => {
      if (shown()) return;
      unsubscribe();
      resolve();
    });
  });
  // The worker says what is wrong, where something is.
  const here = fetch(physics, { priority: 'high' }).then(
    async (answer) => void (await answer.arrayBuffer().catch(() => undefined)),
    () => undefined,
  );
  return Promise.race([here, left]);
}
