import type { FrameImage } from '../../episodes/dataset.ts';
import type { Goal } from '../../practice/goal.ts';
import { HandRecorder, steerTowards } from '../../practice/hand-recorder.ts';
import { IMAGE_SIZE } from '../../practice/image-size.ts';
import type { Vector } from '../../practice/objects.ts';
import { substepsOf, type World } from '../../practice/world.ts';
import type { GuardedRobot } from '../../robot/guarded-robot.ts';
import { CAMERAS } from '../../practice/view.ts';
import type { HandReport, RecordedDemonstrations, TableLayout } from '../boundary/contract-practice.ts';

/** An action in which nothing happens, gripper open. */
const RESTING: readonly number[] = [0, 0, 0, 0, 0, 0, 1];

interface HandOptions {
  /** What is to be shown; null where nothing can judge it. */
  readonly goal: Goal | null;
  /** What carries out every action; what passes its guard is recorded. */
  readonly robot: GuardedRobot;
  readonly observe: () => Promise<FrameImage[]>;
  readonly onStep: (report: HandReport) => void;
}

/** Somebody at the gripper: what they command becomes actions on the table, and an episode. */
export class Hand {
  readonly #table: World;
  readonly #recorder: HandRecorder;
  readonly #robot: GuardedRobot;
  readonly #onStep: (report: HandReport) => void;
  #command = RESTING;
  /** Where the gripper is dragged to in the picture, metres. */
  #towards: Vector | null = null;
  /** Physics steps since it began, and left of the current action. */
  #ticks = 0;
  #left = 0;

  constructor(table: World, { goal, robot, observe, onStep }: HandOptions) {
    this.#table = table;
    this.#recorder = new HandRecorder(goal, observe);
    this.#robot = robot;
    this.#onStep = onStep;
  }

  /** @param action [7], until the next one */
  steer(action: readonly number[]): void {
    this.#command = action;
  }

  /** @param point null when it is let go */
  drag(point: Vector | null): void {
    this.#towards = point;
  }

  /** To be called before each physics step. An action is carried out to its end; while nothing happens, the next may begin at any step. */
  tick(): void {
    const recorder = this.#recorder;
    if (this.#ticks++ % substepsOf(this.#table) === 0) recorder.judge(this.#table);
    if (this.#left > 0) {
      this.#left--;
      return;
    }
    const action = recorder.step(this.#table, this.#wanted(), (wanted) =>
      this.#robot.command(this.#table.toolAction(wanted, null)),
    );
    const rests = this.#robot.atRest;
    // What moves is brought to rest, a period at a time.
    if (!action && !rests) this.#robot.hold();
    if (action || !rests) this.#left = substepsOf(this.#table) - 1;
    if (action || recorder.done)
      this.#onStep({ steps: recorder.steps, achieved: recorder.achieved, done: recorder.done });
  }

  /** The episode as a dataset of one; null where nothing moved. */
  async recorded(instruction: string, scene: TableLayout | null): Promise<RecordedDemonstrations | null> {
    const episode = await this.#recorder.episode();
    if (!episode) return null;
    const { actions, state, images } = episode;
    const { profile } = this.#table;
    const frames = await Promise.all(
      CAMERAS.map(async (name, i) => [name, await Promise.all(images.map((pair) => png(pair[i]!)))] as const),
    );
    return {
      name: this.#table.robot === 'gripper' ? 'Practice table' : profile.name,
      fps: profile.controlHz,
      profile,
      actionNames: profile.actions.map(({ name }) => name),
      stateNames: profile.state?.map(({ name }) => name) ?? null,
      cameras: CAMERAS.map((name) => ({ name, width: IMAGE_SIZE, height: IMAGE_SIZE })),
      episodes: [{ instruction, actions, state, frames: Object.fromEntries(frames), scene }],
    };
  }

  #wanted(): readonly number[] {
    return this.#towards ? steerTowards(this.#table, this.#towards, this.#command[6]!) : this.#command;
  }
}

/** Lossless: what the policy is trained on is what it will see. */
async function png({ width, height, data }: FrameImage): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}
