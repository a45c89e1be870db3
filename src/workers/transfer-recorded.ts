import type { RecordedDemonstrations } from './contract-practice.ts';

/** Everything of recorded demonstrations that is moved rather than copied. */
export function recordedBuffers({ episodes }: RecordedDemonstrations): ArrayBuffer[] {
  return episodes.flatMap(({ actions, state, frames }) => [
    actions.buffer,
    state.buffer,
    ...Object.values(frames).flatMap((images) => images.map(({ data }) => data.buffer)),
  ]);
}
