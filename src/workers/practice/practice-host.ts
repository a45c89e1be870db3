import { ModelError } from '../../base/errors.ts';
import { Random } from '../../base/random.ts';
import { EPISODES } from '../../practice/episode-length.ts';
import { recordDemonstrations } from '../../practice/demonstrations.ts';
import { OBJECTS, type Vector } from '../../practice/objects.ts';
import { rehearsalFor } from '../../practice/rehearsal.ts';
import type { AnyWorld } from '../../practice/open-world.ts';
import type { Mujoco } from '../../practice/physics.ts';
import {
  assignmentFor,
  fittingInstructions,
  goalOf,
  taskNamed,
  taskOf,
  TASKS,
  tasksOf,
} from '../../practice/tasks.ts';
import { PLAIN, TableView } from '../../practice/view.ts';
import type { RobotName } from '../../practice/world.ts';
import type { Drive } from '../../robot/drive.ts';
import { runLoop } from '../../robot/loop.ts';
import type { RawImage, WorkerError } from '../boundary/contract.ts';
import type {
  DemonstrationOrder,
  ExecutionReport,
  HandReport,
  LoopChoices,
  PointerPhase,
  PracticeTask,
  PracticeWorker,
  RecordedDemonstrations,
  Rehearsal,
  RunNews,
  RunOrder,
  SentCommand,
  TableObservation,
  TableReport,
  TableScene,
} from '../boundary/contract-practice.ts';
import { Hand } from './hand.ts';
import { LaidTable } from './laid-table.ts';
import { PointerDrag } from './pointer-drag.ts';
import type { Cameras, PracticeSurroundings } from './practice-surroundings.ts';
import { remotePolicy, type RemotePolicy } from '../remote-policy.ts';
import { RunReporter } from '../training/run-reporter.ts';
import { TableMotion } from './table-motion.ts';
import { TablePicture, type PictureSize } from './table-picture.ts';
import { toWorkerError } from '../boundary/transfer.ts';

/** How often a table that is not shown is looked at, milliseconds. */
const HIDDEN_MS = 100;
/** How hard `disturb` knocks, metres, and for how long, milliseconds. */
const KNOCK = 0.05;
const KNOCK_MS = 400;

/** What there is once the table is open. */
interface Stage {
  readonly mujoco: Mujoco;
  readonly picture: TablePicture;
  readonly cameras: Cameras;
}

/** What the practice worker does, apart from its messages: one table, moved by actions, by a hand or by the expert. */
export class PracticeHost implements PracticeWorker {
  readonly #around: PracticeSurroundings;
  readonly #view = new TableView();
  readonly #random = new Random(Date.now());
  #stage: Stage | null = null;
  #laid: LaidTable | null = null;
  #onTrouble: (error: WorkerError) => void = () => undefined;
  #robot: RobotName = 'gripper';
  #policy: RemotePolicy | null = null;
  #choices: LoopChoices = { ensembling: false, ahead: false };
  readonly #motion = new TableMotion((error) => {
    this.#drag.drop();
    this.#onTrouble(toWorkerError(error));
  });
  readonly #drag = new PointerDrag();
  #speedLimit = 1;
  #visible = true;
  /** Of the last frame, milliseconds. */
  #frameAt = 0;

  constructor(around: PracticeSurroundings) {
    this.#around = around;
  }

  async open(
    canvas: OffscreenCanvas,
    size: PictureSize,
    onTrouble: (error: WorkerError) => void,
  ): Promise<PracticeTask[]> {
    const [mujoco, { screen, cameras, software }] = await Promise.all([
      this.#around.loadMujoco(),
      this.#around.openScreen(canvas),
    ]);
    this.#view.setAppearance(PLAIN);
    this.#onTrouble = onTrouble;
    this.#stage = { mujoco, cameras, picture: new TablePicture(screen, this.#view, software) };
    await this.resize(size);
    await this.reset(TASKS[0]!.name, 0);
    this.#around.everyFrame((now) => this.#frame(now));
    this.#around.everyTick((now) => this.#tick(now));
    return tasksFor(this.#robot);
  }

  async resize(size: PictureSize): Promise<void> {
    this.#opened().picture.resize(size);
  }

  async setDark(dark: boolean): Promise<void> {
    this.#opened().picture.setDark(dark);
  }

  async setVisible(visible: boolean): Promise<void> {
    this.#visible = visible;
    this.#stage?.picture.touch();
  }

  async reset(
    task: string,
    seed: number,
    realTime = true,
    robot: RobotName = this.#robot,
  ): Promise<TableReport> {
    const { mujoco, cameras, picture } = this.#opened();
    const assignment = assignmentFor(taskOf(robot, task), seed, robot);
    const see = async (table: AnyWorld): Promise<RawImage[]> => {
      // What moved until now has been taken in, not shown.
      picture.sync(table);
      return cameras.observe(this.#view);
    };
    const laid = new LaidTable({ mujoco, see, now: this.#around.now }, { task, seed, robot }, assignment);
    laid.robot.limitSpeed(this.#speedLimit);
    this.#motion.halt();
    this.#laid?.dispose();
    this.#laid = laid;
    this.#robot = robot;
    this.#drag.drop();
    this.#motion.hand = null;
    this.#motion.stepped = !realTime;
    picture.path.show(null);
    picture.touch();
    const names = assignment.layout.objects.map(({ name }) => name);
    return {
      task,
      seed,
      instruction: assignment.instruction,
      robot,
      maxSteps: EPISODES[robot].most,
      execute: EPISODES[robot].executed,
      profile: laid.robot.profile,
      tasks: tasksFor(robot),
      suggestions: fittingInstructions(names, tasksOf(robot)),
      objects: names,
    };
  }

  async scene(): Promise<TableScene> {
    const { scene, table, instruction } = this.#whole();
    const { physics, target } = table.snapshot();
    return { ...scene, instruction, snapshot: { physics, target } };
  }

  async bringBack({ task, seed, robot, instruction, snapshot }: TableScene): Promise<TableReport> {
    const report = await this.reset(task, seed, true, robot);
    const laid = this.#whole();
    laid.move((table) => {
      table.restore(snapshot);
      // Nobody holds anything any more.
      table.hold('gripper', null);
    });
    laid.instruct(instruction);
    return { ...report, instruction };
  }

  async instruct(instruction: string): Promise<boolean> {
    return this.#whole().instruct(instruction);
  }

  async observe(): Promise<TableObservation> {
    const { images, state } = await this.#whole().robot.observe();
    return { images, state: state! };
  }

  async glance(since: number): Promise<{ revision: number; images: RawImage[] } | null> {
    const { cameras, picture } = this.#opened();
    picture.sync(this.#whole().table);
    const { revision } = this.#view;
    return revision === since ? null : { revision, images: await cameras.observe(this.#view) };
  }

  async linkPolicy(port: MessagePort): Promise<void> {
    this.#policy = remotePolicy(port);
  }

  async chooseLoop(choices: LoopChoices): Promise<void> {
    this.#choices = choices;
  }

  async run(order: RunOrder, onNews: (news: RunNews) => void): Promise<ExecutionReport> {
    const laid = this.#whole();
    const policy = this.#policy;
    if (!policy)
      throw new ModelError('bad-input', 'No policy is linked to the table.', 'Load a policy first.');
    const reporter = new RunReporter(onNews);
    const { path } = this.#opened().picture;
    const predict = reporter.predicting(async (observation) => {
      const prediction = await policy.predict(observation);
      if (order.realTime && this.#motion.isDriving(drive)) {
        path.show(laid.table.pathOf(prediction.actions));
        this.#opened().picture.touch();
      }
      return prediction;
    });
    const { most, realTime } = order;
    const { drive, now, carry } = this.#motion.begin(laid, realTime, { most, onHold: reporter.hold });
    try {
      await runLoop(laid.robot, drive, {
        predict: ({ images, state }) =>
          predict(
            { images, state: state!, instruction: laid.instruction, unnormKey: order.unnormKey },
            drive,
          ),
        settings: () => ({
          ...this.#choices,
          execute: order.execute,
          ahead: realTime && this.#choices.ahead,
        }),
        now,
        ...(carry ? { carry } : {}),
      });
    } finally {
      reporter.end();
    }
    return reportOf(laid, drive);
  }

  async execute(actions: number[][], realTime: boolean): Promise<ExecutionReport> {
    const laid = this.#whole();
    for (const action of actions) laid.robot.require(action);
    const { drive, carry } = this.#motion.begin(laid, realTime, { most: actions.length });
    if (actions.length === 0) drive.halt();
    drive.follow({ at: 0, actions });
    await carry?.(actions.length);
    await drive.over;
    return reportOf(laid, drive);
  }

  async commands(): Promise<SentCommand[]> {
    return [...this.#whole().robot.log];
  }

  async limitSpeed(share: number): Promise<void> {
    this.#speedLimit = share;
    if (this.#laid && !this.#laid.broken) this.#laid.robot.limitSpeed(share);
  }

  async halt(): Promise<void> {
    this.#motion.halt();
  }

  async showPath(actions: number[][] | null): Promise<void> {
    const { picture } = this.#opened();
    picture.touch();
    picture.path.show(actions && this.#whole().table.pathOf(actions));
  }

  async pointer(phase: PointerPhase, x: number, y: number): Promise<'object' | 'view'> {
    const { table } = this.#whole();
    const { picture } = this.#opened();
    this.#motion.stepped = false;
    return this.#drag.to(phase, [x, y], { table, picture, hand: this.#motion.hand });
  }

  async draggable(): Promise<{ x: number; y: number } | null> {
    const { table, goal } = this.#whole();
    const { people } = this.#opened().picture;
    const loose = table.layout.objects.map(({ name }) => name).filter((name) => OBJECTS[name].width !== null);
    const name = loose.find((other) => other !== goal?.target) ?? loose[0];
    return name ? people.project(table.position(name)) : null;
  }

  async orbit(azimuth: number, elevation: number, zoom: number): Promise<number> {
    const { picture } = this.#opened();
    picture.people.orbit(azimuth, elevation, zoom);
    picture.touch();
    return picture.people.azimuth;
  }

  async disturb(): Promise<void> {
    const { table } = this.#whole();
    this.#motion.stepped = false;
    const loose = table.layout.objects.map(({ name }) => name).filter((name) => OBJECTS[name].width !== null);
    const name = loose[this.#random.integer(loose.length)]!;
    const [x, y, z] = table.position(name);
    const angle = 2 * Math.PI * this.#random.uniform();
    const to: Vector = [x + KNOCK * Math.cos(angle), y + KNOCK * Math.sin(angle), z + 0.02];
    table.hold(name, to);
    setTimeout(() => {
      if (this.#laid?.remains === table && !this.#drag.holds) table.hold(name, null);
    }, KNOCK_MS);
  }

  async demonstrate(
    { task, robot, ...order }: DemonstrationOrder,
    onProgress: (done: number) => void,
  ): Promise<RecordedDemonstrations> {
    const { mujoco, cameras, picture } = this.#opened();
    picture.touch();
    return recordDemonstrations({
      ...order,
      mujoco,
      view: this.#view,
      cameras,
      robot,
      task: taskOf(robot, task),
      onProgress,
    });
  }

  async rehearsal(taught: Parameters<PracticeWorker['rehearsal']>[0]): Promise<Rehearsal[]> {
    return rehearsalFor(
      'task' in taught
        ? taskNamed(taught.task).goals
        : taught.instructions.flatMap((instruction) => goalOf(instruction)?.goal ?? []),
    );
  }

  async takeOver(onStep: (report: HandReport) => void): Promise<void> {
    this.#motion.halt();
    this.#motion.stepped = false;
    const { table, robot, goal } = this.#whole();
    robot.start();
    const observe = async () => (await robot.observe()).images;
    this.#motion.hand = new Hand(table, { goal, robot, observe, onStep });
  }

  async steer(action: number[]): Promise<void> {
    this.#motion.hand?.steer(action);
  }

  async handBack(keep: boolean): Promise<RecordedDemonstrations | null> {
    const hand = this.#motion.hand;
    this.#motion.hand = null;
    const laid = this.#laid;
    return keep && hand && laid ? hand.recorded(laid.instruction, laid.scene) : null;
  }

  #frame(now: number): void {
    const elapsedMs = now - this.#frameAt;
    if (!this.#laid || !this.#visible) return;
    this.#frameAt = now;
    this.#motion.advanceTo(this.#laid, now);
    this.#opened().picture.draw(now, elapsedMs, this.#laid.remains);
  }

  /** @returns when it is to be called again, milliseconds */
  #tick(now: number): number {
    if (!this.#laid || !this.#visible) return now + HIDDEN_MS;
    this.#motion.advanceTo(this.#laid, now);
    return this.#motion.nextAt(this.#laid, now);
  }

  #opened(): Stage {
    if (!this.#stage) throw new ModelError('bad-input', 'The practice table is not open.', 'Open it first.');
    return this.#stage;
  }

  /** What lies there. @throws ModelError `bad-input` before the table is open, `diverged` until it is laid anew */
  #whole(): LaidTable {
    this.#opened();
    const laid = this.#laid!;
    laid.check();
    return laid;
  }
}

/** The shipped policy was trained with the table's own robot: it has never met what another one can be asked for. */
function tasksFor(robot: RobotName): PracticeTask[] {
  return tasksOf(robot).map(({ name, about, heldOut }) => ({
    name,
    about,
    heldOut: heldOut || robot !== 'gripper',
  }));
}

function reportOf({ judge }: LaidTable, { ended, steps }: Drive): ExecutionReport {
  return { achieved: judge ? ended === 'reached' : null, steps };
}
