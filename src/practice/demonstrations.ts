/** Demonstrations of the scripted expert in the project's episode form. */
import type { FrameImage } from '../episodes/dataset.ts';
import { Random } from '../model/random.ts';
import { expertAction } from './expert.ts';
import { IMAGE_SIZE } from './image-size.ts';
import { CONTROL_HZ } from './mjcf.ts';
import type { TableCameras } from './observe.ts';
import { ActionNoise, SuccessJudge } from './rollout.ts';
import { PracticeTable, type Mujoco } from './table.ts';
import { askedFor, assignmentFor, type Assignment, type Task } from './tasks.ts';
import { CAMERAS, type TableView } from './view.ts';

export const ACTION_NAMES = ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'] as const;
export const STATE_NAMES = [
  'x',
  'y',
  'z',
  'axis-angle x',
  'axis-angle y',
  'axis-angle z',
  'left finger',
  'right finger',
] as const;

const DEMONSTRATE = 51;
/** The noisiest episode's standard deviation, as a share of the largest step. */
const NOISE = 0.3;
const LONGEST = 120;
/** Recorded after the goal is reached. A sample needs a whole chunk ahead, so the end of an episode is not learnt from otherwise. */
const AFTERWARDS = 8;

export interface DemonstrationRequest {
  readonly mujoco: Mujoco;
  readonly view: TableView;
  readonly cameras: TableCameras;
  readonly task: Task;
  readonly episodes: number;
  readonly seed: number;
  readonly onProgress?: (done: number) => void;
}

/** What the expert would have done is recorded, while something noisier is carried out: recoveries are in the data, mistakes are not. */
export async function recordDemonstrations({
  mujoco,
  view,
  cameras,
  task,
  episodes,
  seed,
  onProgress,
}: DemonstrationRequest) {
  const recorded = [];
  const turns = new Turns(task);
  for (let attempt = 0; recorded.length < episodes; attempt++) {
    const random = new Random(seed, DEMONSTRATE, attempt);
    const assignment = assignmentFor(task, turns.nextSeed(random));
    const table = new PracticeTable(mujoco, assignment.layout);
    const noise = new ActionNoise(random, NOISE);
    const judge = new SuccessJudge(assignment.goal);
    const actions: number[] = [];
    const state: number[] = [];
    const seen: Promise<FrameImage[]>[] = [];
    let left = LONGEST;
    let done = false;
    for (let step = 0; step < left; step++) {
      const action = expertAction(table, assignment.goal);
      view.sync(table);
      seen.push(cameras.observe(view));
      actions.push(...action);
      state.push(...table.state());
      table.step(noise.disturb(action));
      if (judge.after(table) && !done) {
        done = true;
        left = step + 1 + AFTERWARDS;
      }
    }
    table.dispose();
    const images = await Promise.all(seen);
    // A disturbance can throw a block out of reach; such an episode is no demonstration.
    if (!done) continue;
    turns.take(assignment);
    recorded.push({
      instruction: assignment.instruction,
      actions: Float32Array.from(actions),
      state: Float32Array.from(state),
      scene: { task: task.name, seed: assignment.seed },
      frames: Object.fromEntries(CAMERAS.map((name, i) => [name, images.map((pair) => pair[i]!)])),
    });
    onProgress?.(recorded.length);
  }
  return {
    name: `Expert on the practice table: ${task.name}`,
    fps: CONTROL_HZ,
    actionNames: ACTION_NAMES,
    stateNames: STATE_NAMES,
    cameras: CAMERAS.map((name) => ({ name, width: IMAGE_SIZE, height: IMAGE_SIZE })),
    episodes: recorded,
  };
}

/**
 * Sees to it that few episodes show all there is to a task: each goal as often as any other, and each of its phrasings as often as any
 * other. What chance leaves out of a lesson is not learnt, or forgotten.
 */
class Turns {
  readonly #task: Task;
  readonly #taken = new Map<unknown, number>();

  constructor(task: Task) {
    this.#task = task;
  }

  /** Of an episode that asks for what had the fewest turns. */
  nextSeed(random: Random): number {
    const { goals, phrasings } = this.#task;
    const least = this.#fewest(goals);
    for (;;) {
      const seed = random.integer(2 ** 31);
      const { goal, instruction } = askedFor(this.#task, seed);
      const due = this.#of(goal) === least && this.#of(instruction) === this.#fewest(phrasings(goal));
      if (due) return seed;
    }
  }

  take({ goal, instruction }: Pick<Assignment, 'goal' | 'instruction'>): void {
    for (const key of [goal, instruction]) this.#taken.set(key, this.#of(key) + 1);
  }

  readonly #of = (key: unknown): number => this.#taken.get(key) ?? 0;

  #fewest(keys: readonly unknown[]): number {
    return Math.min(...keys.map(this.#of));
  }
}
