/** Makes pretraining data: noisy runs of the expert, and at some of their states its clean chunk from there. */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { PerspectiveCamera } from 'three';
import { Random } from '../../src/base/random.ts';
import { expertAction } from '../../src/practice/expert.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { OBJECT_NAMES, type Vector } from '../../src/practice/objects.ts';
import { ActionNoise, Detour, expertChunk, SuccessJudge } from '../../src/practice/rollout.ts';
import { PracticeTable } from '../../src/practice/table.ts';
import {
  ALL_INSTRUCTIONS,
  assignmentFor,
  TRAINED_TASKS,
  variedAssignmentFor,
  type Assignment,
  type Task,
} from '../../src/practice/tasks.ts';
import type { Appearance } from '../../src/practice/view.ts';
import { openNodeCameras, type NodeCameras } from '../practice/node-cameras.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { CHUNK, encode, type PretrainSample } from './records.ts';

/** Episodes of one file; a file is the unit of resuming. */
export const EPISODES_PER_FILE = 100;
/** Of an episode's states, the share that becomes samples. */
const SHARE = 0.4;
const LONGEST = 70;
/** Actions recorded after the goal is reached, so that standing still is learnt too. */
const AFTERWARDS = 3;

const GENERATE = 21;

export const fileOf = (folder: string, index: number): string =>
  join(folder, `episodes-${String(index).padStart(4, '0')}.bin`);

/**
 * Writes those files of `indices` that are not there yet. What a file holds follows from seed and index.
 * @param onFile told after each one
 */
export async function generate(options: {
  readonly folder: string;
  readonly seed: number;
  readonly indices: readonly number[];
  /** Share of the episodes that move things of more kinds than the page shows, 0…1. */
  readonly varied: number;
  /** Drawn from, as often as each is worth; default every trained one. */
  readonly tasks?: readonly Task[];
  readonly onFile: (index: number, samples: number) => void;
}): Promise<void> {
  const { folder, seed, varied, tasks = TRAINED_TASKS } = options;
  mkdirSync(folder, { recursive: true });
  const mujoco = await loadMujoco();
  const cameras = await openNodeCameras();
  try {
    for (const index of options.indices) {
      const path = fileOf(folder, index);
      if (existsSync(path)) continue;
      const handle = openSync(`${path}.part`, 'w');
      // Awaited at the end only: the renderer draws while the physics of later episodes is computed. Waiting is dear, as Dawn
      // polls without pause.
      const pending: Promise<PretrainSample>[] = [];
      for (let episode = 0; episode < EPISODES_PER_FILE; episode++) {
        const random = new Random(seed, GENERATE, index, episode);
        const assign = varied > 0 && random.uniform() < varied ? variedAssignmentFor : assignmentFor;
        const assignment = assign(pickTask(tasks, random), random.integer(2 ** 31));
        const table = new PracticeTable(mujoco, assignment.layout);
        try {
          pending.push(...episodeSamples(table, assignment, random, cameras));
        } finally {
          table.dispose();
        }
      }
      for (const sample of await Promise.all(pending)) writeSync(handle, encode(sample));
      closeSync(handle);
      renameSync(`${path}.part`, path);
      options.onFile(index, pending.length);
    }
  } finally {
    cameras.release();
  }
}

function episodeSamples(
  table: PracticeTable,
  { goal, instruction }: Assignment,
  random: Random,
  { view, cameras }: NodeCameras,
): Promise<PretrainSample>[] {
  const noise = new ActionNoise(random, { most: 0.5, knocks: 0.03, hz: 10 });
  const detour = new Detour(random, table, goal);
  const judge = new SuccessJudge(goal);
  view.setAppearance(appearance(random));
  const pending: Promise<PretrainSample>[] = [];
  let left = LONGEST + detour.length;
  for (let step = 0; step < left; step++) {
    if (random.uniform() < SHARE) {
      const sample = {
        state: Float32Array.from(table.state()),
        actions: expertChunk(table, goal, CHUNK),
        ...places(table, view.cameras.main),
        instruction: ALL_INSTRUCTIONS.indexOf(instruction),
        target: OBJECT_NAMES.indexOf(goal.target),
        destination: 'destination' in goal ? OBJECT_NAMES.indexOf(goal.destination) : -1,
      };
      view.sync(table);
      pending.push(cameras.observe(view).then((frames) => ({ ...sample, images: rgb(frames) })));
    }
    table.step(noise.disturb(detour.divert(step, table, expertAction(table, goal))));
    if (judge.after(table)) left = Math.min(left, step + 1 + AFTERWARDS);
  }
  return pending;
}

function pickTask(tasks: readonly Task[], random: Random): Task {
  const total = tasks.reduce((sum, { weight }) => sum + weight, 0);
  let left = total * random.uniform();
  return tasks.find(({ weight }) => (left -= weight) < 0) ?? tasks[0]!;
}

function appearance(random: Random): Appearance {
  const around = (value: number, spread: number) => value + spread * (2 * random.uniform() - 1);
  const channel = (value: number) => Math.round(Math.min(255, Math.max(0, around(value, 14))));
  return {
    light: around(1, 0.15),
    tint: [around(1, 0.06), around(1, 0.06), around(1, 0.06)],
    table: (channel(0xb9) << 16) | (channel(0xa5) << 8) | channel(0x8a),
  };
}

function places(table: PracticeTable, camera: PerspectiveCamera) {
  const objects = new Float32Array(3 * OBJECT_NAMES.length).fill(Number.NaN);
  const pixels = new Float32Array(2 * OBJECT_NAMES.length).fill(Number.NaN);
  OBJECT_NAMES.forEach((name, i) => {
    if (!table.has(name)) return;
    const position = table.position(name);
    objects.set(position, 3 * i);
    const [u, v] = toPixel(position, camera);
    pixels.set([u, v], 2 * i);
  });
  return { objects, pixels };
}

/** Column and row in the camera's image. */
function toPixel([x, y, z]: Vector, camera: PerspectiveCamera): [number, number] {
  camera.updateMatrixWorld();
  const seen = camera.position.clone().set(x, y, z).project(camera);
  return [((seen.x + 1) / 2) * IMAGE_SIZE, ((1 - seen.y) / 2) * IMAGE_SIZE];
}

function rgb(frames: readonly { data: Uint8ClampedArray }[]): Uint8Array {
  const size = IMAGE_SIZE * IMAGE_SIZE;
  const out = new Uint8Array(frames.length * size * 3);
  frames.forEach(({ data }, i) => {
    for (let p = 0; p < size; p++) out.set(data.subarray(4 * p, 4 * p + 3), 3 * (i * size + p));
  });
  return out;
}
