/** MuJoCo's WebAssembly build, loaded once. */
import load from '@mujoco/mujoco';
import type { Mujoco } from './physics.ts';

let loading: Promise<Mujoco> | null = null;

/** About 10 MB of WebAssembly, fetched when first needed. A failure is not kept: the next call fetches again. */
export async function loadMujoco(): Promise<Mujoco> {
  loading ??= load();
  try {
    return await loading;
  } catch (error) {
    loading = null;
    throw error;
  }
}
