import type { RecordedDemonstrations } from './contract-practice.ts';

/** Everything of recorded demonstrations that is moved rather than copied. */
export function recordedBuffers({ episodes }: RecordedDemonstrations): ArrayBuffer[] {
  return episodes.flatMap(({ actions, state, frames }) => [
    actions.buffer,
    ...(state ? [state.buffer] : []),
    ...Object.values(frames).flatMap((images) =>
      images.flatMap((image) => (image instanceof Blob ? [] : [image.data.buffer])),
    ),
  ]);
}
