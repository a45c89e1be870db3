/** MuJoCo's WebAssembly build, loaded once. */
import load from '@mujoco/mujoco';
import type { Mujoco } from './table.ts';

let loading: Promise<Mujoco> | null = null;

/** About 10 MB of WebAssembly, fetched when first needed. */
export function loadMujoco(): Promise<Mujoco> {
  loading ??= load();
  return loading;
}
