/** Demonstrations of the scripted expert in the project's episode form. */
import type { FrameImage } from '../episodes/dataset.ts';
import { Random } from '../base/random.ts';
import { expertAction } from './expert.ts';
import type { Goal } from './goal.ts';
import { IMAGE_SIZE } from './image-size.ts';
import type { Layout } from './layout.ts';
import type { TableCameras } from './observe.ts';
import { ActionNoise, SuccessJudge, type NoiseOptions } from './rollout.ts';
import { KINDS, openWorld } from './open-world.ts';
import { EPISODES } from './episode-length.ts';
import type { Mujoco } from './physics.ts';
import {
  askedFor,
  assignmentFor,
  goalOf,
  goalsOn,
  taskNamed,
  type Assignment,
  type Scene,
  type Task,
} from './tasks.ts';
import { CAMERAS, type TableView } from './view.ts';
import { stepWorld, type RobotName } from './world.ts';

const DEMONSTRATE = 51;
/** What is new to a policy altogether it has to see from more places than the straight way leads through. */
const NOISE: Readonly<Record<RobotName, Pick<NoiseOptions, 'most' | 'knocks'>>> = {
  gripper: { most: 0.3, knocks: 0.03 },
  so101: { most: 0.4, knocks: 0.08 },
};

/** What was asked for in an episode, and on which table; null where it was not a practice table's. */
export interface Shown {
  readonly instruction: string;
  readonly scene: Scene | null;
}

export interface DemonstrationRequest {
  readonly mujoco: Mujoco;
  readonly view: TableView;
  readonly cameras: Pick<TableCameras, 'observe'>;
  readonly task: Task;
  /** Who does it; default the table's own. */
  readonly robot?: RobotName;
  readonly episodes: number;
  readonly seed: number;
  /** Record on the tables of these, with the things that were moved there, as far as the task can be done so; else on new ones. */
  readonly tables?: readonly Shown[];
  readonly onProgress?: (done: number) => void;
}

/** What the expert would have done is recorded, while something noisier is carried out: recoveries are in the data, mistakes are not. */
export async function recordDemonstrations({
  mujoco,
  view,
  cameras,
  task,
  robot = 'gripper',
  episodes,
  seed,
  tables = [],
  onProgress,
}: DemonstrationRequest) {
  const recorded = [];
  const { profile } = KINDS[robot];
  const { demonstrated } = EPISODES[robot];
  const turns = new Turns(task, robot);
  const laid = tables.flatMap((shown) => laidTable(shown, task, robot));
  for (let attempt = 0; recorded.length < episodes; attempt++) {
    const random = new Random(seed, DEMONSTRATE, attempt);
    const { assignment, scene } =
      laid.length > 0 ? turns.onTable(laid[attempt % laid.length]!, random) : turns.onNewTable(random);
    const table = openWorld(robot, mujoco, assignment.layout);
    const noise = new ActionNoise(random, { ...NOISE[robot], hz: profile.controlHz });
    const judge = new SuccessJudge(assignment.goal);
    const actions: number[] = [];
    const state: number[] = [];
    const seen: Promise<FrameImage[]>[] = [];
    let left = demonstrated;
    let done = false;
    for (let step = 0; step < left; step++) {
      const action = expertAction(table, assignment.goal);
      view.sync(table);
      seen.push(cameras.observe(view));
      actions.push(...action);
      state.push(...table.state());
      stepWorld(
        table,
        expertAction(table, assignment.goal, (tool) => noise.disturb(tool)),
      );
      if (judge.after(table) && !done) {
        done = true;
        // A sample needs a whole chunk ahead, so the end of an episode is not learnt from otherwise.
        left = step + 1 + profile.chunkSize;
      }
    }
    table.dispose();
    const images = await Promise.all(seen);
    // A disturbance can throw a block out of reach; such an episode is not a demonstration.
    if (!done) continue;
    turns.take(assignment);
    recorded.push({
      instruction: assignment.instruction,
      actions: Float32Array.from(actions),
      state: Float32Array.from(state),
      scene,
      frames: Object.fromEntries(CAMERAS.map((name, i) => [name, images.map((pair) => pair[i]!)])),
    });
    onProgress?.(recorded.length);
  }
  return {
    name: `Expert ${robot === 'gripper' ? 'on the practice table' : `with the ${profile.name}`}: ${task.name}`,
    fps: profile.controlHz,
    profile,
    actionNames: profile.actions.map(({ name }) => name),
    stateNames: profile.state?.map(({ name }) => name) ?? null,
    cameras: CAMERAS.map((name) => ({ name, width: IMAGE_SIZE, height: IMAGE_SIZE })),
    episodes: recorded,
  };
}

/** A table that is laid already, and what of the task can be done there: nothing where it is empty. */
interface LaidTable {
  readonly scene: Scene;
  readonly layout: Layout;
  readonly goals: readonly Goal[];
}

function laidTable({ instruction, scene }: Shown, task: Task, robot: RobotName): LaidTable[] {
  if (!scene) return [];
  // What lies before another robot lies elsewhere.
  if (scene.robot !== robot) return [];
  const { layout } = assignmentFor(taskNamed(scene.task), scene.seed, robot);
  const goals = goalsOn(layout, task, goalOf(instruction)?.goal.target ?? null);
  return goals.length > 0 ? [{ scene, layout, goals }] : [];
}

interface Turn {
  readonly assignment: Assignment;
  readonly scene: Scene;
}

/**
 * Sees to it that few episodes show all there is to a task: each goal as often as any other, and each of its phrasings as often as any
 * other. What chance leaves out of a lesson is not learnt, or forgotten.
 */
class Turns {
  readonly #task: Task;
  readonly #robot: RobotName;
  readonly #taken = new Map<unknown, number>();

  constructor(task: Task, robot: RobotName) {
    this.#task = task;
    this.#robot = robot;
  }

  /** Asks for what had the fewest turns. */
  onNewTable(random: Random): Turn {
    const task = this.#task;
    const goals = this.#due(task.goals);
    for (;;) {
      const seed = random.integer(2 ** 31);
      const { goal, instruction } = askedFor(task, seed);
      if (goals.includes(goal) && this.#due(task.phrasings(goal)).includes(instruction))
        return {
          assignment: assignmentFor(task, seed, this.#robot),
          scene: { task: task.name, seed, robot: this.#robot },
        };
    }
  }

  /** Asks for what had the fewest turns of what can be done there. */
  onTable({ scene, layout, goals }: LaidTable, random: Random): Turn {
    const task = this.#task;
    const goal = oneOf(this.#due(goals), random);
    const instruction = oneOf(this.#due(task.phrasings(goal)), random);
    return { assignment: { task, goal, instruction, layout, seed: scene.seed }, scene };
  }

  take({ goal, instruction }: Pick<Assignment, 'goal' | 'instruction'>): void {
    for (const key of [goal, instruction]) this.#taken.set(key, this.#of(key) + 1);
  }

  readonly #of = (key: unknown): number => this.#taken.get(key) ?? 0;

  /** Those that had the fewest turns. */
  #due<T>(keys: readonly T[]): T[] {
    const least = Math.min(...keys.map(this.#of));
    return keys.filter((key) => this.#of(key) === least);
  }
}

function oneOf<T>(values: readonly T[], random: Random): T {
  return values[random.integer(values.length)]!;
}
