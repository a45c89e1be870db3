/** Demonstrations with nothing wrong, and ways to spoil them. */
import type { Dataset, FrameImage } from '../../../src/episodes/dataset.ts';
import { memoryDataset, type RecordedEpisode } from '../../../src/episodes/memory-dataset.ts';
import type { Finding } from '../../../src/episodes/quality/finding.ts';
import { reviewDataset, type ReviewOptions } from '../../../src/episodes/quality/review.ts';

export const FPS = 10;
export const LENGTH = 60;
export const CHUNK = 8;
const ACTIONS = ['x', 'y', 'gripper'];
const STATE = ['x', 'y', 'left finger'];
export const CAMERAS = ['front', 'wrist'];
export const SIZE = 32;

/** A block of 4 × 4 pixels at a place that follows the state. */
function picture(x: number, y: number): FrameImage {
  const data = new Uint8ClampedArray(4 * SIZE * SIZE).fill(60);
  const [left, top] = [x, y].map((value) => Math.round(((value + 2) / 4) * (SIZE - 4)));
  for (let row = 0; row < 4; row++) {
    const at = 4 * ((top! + row) * SIZE + left!);
    data.fill(200, at, at + 16);
  }
  return { width: SIZE, height: SIZE, data };
}

export interface Made {
  actions: number[][];
  state: number[][];
  frames: Record<string, FrameImage[]>;
}

/** Smooth motion along a path of its own; actions are differences of the state; the gripper closes half way. */
export function healthy(seed: number, length = LENGTH, speed = 1): Made {
  const path = (phase: number) => (step: number) =>
    Math.sin(0.13 * speed * step + phase) + 0.4 * Math.sin(0.29 * speed * step + 2 * phase);
  const [x, y] = [path(seed), path(1.7 * seed + 0.9)];
  const closed = (step: number) => Number(step >= length / 2);
  const steps = Array.from({ length }, (_, step) => step);
  const frames = () => steps.map((step) => picture(x(step), y(step)));
  return {
    actions: steps.map((t) => [x(t + 1) - x(t), y(t + 1) - y(t), closed(t)]),
    state: steps.map((t) => [x(t), y(t), 0.04 * (1 - closed(t - 2))]),
    frames: Object.fromEntries(CAMERAS.map((camera) => [camera, frames()])),
  };
}

/** From `from` the robot waits until `to` and goes on then; what comes too late for the episode's length is cut off. */
export function pause(made: Made, from: number, to: number): void {
  const wait = <T>(list: T[], rest: T) => {
    list.splice(from, 0, ...Array.from({ length: to - from }, () => rest));
    list.length = LENGTH;
  };
  wait(made.actions, [0, 0, made.actions[from]![2]!]);
  wait(made.state, made.state[from]!);
  for (const frames of Object.values(made.frames)) wait(frames, frames[from]!);
}

export function datasetOf(made: readonly Made[], about: { fps?: number; stateless?: boolean } = {}): Dataset {
  return memoryDataset({
    name: 'made',
    fps: about.fps ?? FPS,
    actionNames: ACTIONS,
    stateNames: about.stateless ? null : STATE,
    cameras: CAMERAS.map((name) => ({ name, width: SIZE, height: SIZE })),
    episodes: made.map(({ actions, state, frames }): RecordedEpisode => ({
      instruction: 'do it',
      actions: Float32Array.from(actions.flat()),
      state: about.stateless ? null : Float32Array.from(state.flat()),
      frames,
    })),
  });
}

export const several = (count = 12): Made[] => Array.from({ length: count }, (_, seed) => healthy(seed));

/** Findings on twelve healthy episodes, one or all of which `spoil` changes. */
export async function review(
  spoil: (made: Made[]) => void,
  options: Partial<ReviewOptions> = {},
  about: Parameters<typeof datasetOf>[1] = {},
): Promise<Finding[]> {
  const made = several();
  spoil(made);
  return reviewDataset(datasetOf(made, about), { chunkSize: CHUNK, ...options });
}

export const nothing = () => undefined;
export const range = (name: string, q01: number, q99: number) => ({ name, q01, q99 });
/** About what `healthy` makes. */
export const POLICY = {
  actions: [range('x', -0.2, 0.2), range('y', -0.2, 0.2), range('gripper', 0, 1)],
  state: [range('x', -1.3, 1.3), range('y', -1.3, 1.3), range('left finger', 0, 0.04)],
};
