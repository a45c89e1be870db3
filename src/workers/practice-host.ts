import { ModelError } from '../model/errors.ts';
import { Random } from '../model/random.ts';
import { guardAction } from '../practice/action-guard.ts';
import { EXECUTED, MAX_STEPS } from '../practice/evaluate.ts';
import { recordDemonstrations } from '../practice/demonstrations.ts';
import { TIMESTEP } from '../practice/mjcf.ts';
import { OBJECTS, type Vector } from '../practice/objects.ts';
import { rehearsalFor } from '../practice/rehearsal.ts';
import type { Mujoco } from '../practice/table.ts';
import { assignmentFor, fittingInstructions, goalOf, taskNamed, TASKS } from '../practice/tasks.ts';
import { PLAIN, TableView } from '../practice/view.ts';
import type { RawImage, WorkerError } from './contract.ts';
import type {
  DemonstrationOrder,
  ExecutionReport,
  HandReport,
  PointerPhase,
  PracticeTask,
  PracticeWorker,
  RecordedDemonstrations,
  Rehearsal,
  TableObservation,
  TableReport,
} from './contract-practice.ts';
import { Execution } from './execution.ts';
import { Hand } from './hand.ts';
import { LaidTable } from './laid-table.ts';
import { PointerDrag } from './pointer-drag.ts';
import type { Cameras, PracticeSurroundings } from './practice-surroundings.ts';
import { TablePicture, type PictureSize } from './table-picture.ts';
import { toWorkerError } from './transfer.ts';

/** More than this is not made up for after a pause (a hidden tab, say), seconds. */
const LONGEST_LAG = 0.1;
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
  #execution: Execution | null = null;
  #hand: Hand | null = null;
  readonly #drag = new PointerDrag();
  #speedLimit = 1;
  readonly #guard = (action: readonly number[]): number[] => guardAction(action, this.#speedLimit);
  #visible = true;
  /** Physics moves with the actions alone: trials come out the same however long a prediction takes. */
  #stepped = false;
  /** Of the last frame, milliseconds. */
  #time = 0;
  /** Physics behind the clock, seconds. */
  #lag = 0;

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
    this.#around.everyFrame((now) => this.#tick(now));
    return TASKS.map(({ name, about, heldOut }) => ({ name, about, heldOut }));
  }

  async resize(size: PictureSize): Promise<void> {
    this.#opened().picture.resize(size);
  }

  async setVisible(visible: boolean): Promise<void> {
    this.#visible = visible;
    this.#stage?.picture.touch();
  }

  async reset(task: string, seed: number, realTime = true): Promise<TableReport> {
    const { mujoco, picture } = this.#opened();
    const assignment = assignmentFor(taskNamed(task), seed);
    const laid = new LaidTable(mujoco, { task, seed }, assignment);
    this.#halt();
    this.#laid?.dispose();
    this.#laid = laid;
    this.#drag.drop();
    this.#hand = null;
    this.#stepped = !realTime;
    picture.path.show(null);
    picture.touch();
    const names = assignment.layout.objects.map(({ name }) => name);
    return {
      task,
      seed,
      instruction: assignment.instruction,
      maxSteps: MAX_STEPS,
      execute: EXECUTED,
      suggestions: fittingInstructions(names),
      objects: names,
    };
  }

  async instruct(instruction: string): Promise<boolean> {
    return this.#whole().instruct(instruction);
  }

  async observe(): Promise<TableObservation> {
    const { table } = this.#whole();
    const { cameras, picture } = this.#opened();
    // What moved until now has been taken in, not shown.
    picture.sync(table);
    const state = table.state();
    return { images: await cameras.observe(this.#view), state };
  }

  async glance(since: number): Promise<{ revision: number; images: RawImage[] } | null> {
    const { cameras, picture } = this.#opened();
    picture.sync(this.#whole().table);
    const { revision } = this.#view;
    return revision === since ? null : { revision, images: await cameras.observe(this.#view) };
  }

  async execute(actions: number[][], realTime: boolean): Promise<ExecutionReport> {
    this.#halt();
    const laid = this.#whole();
    const { judge } = laid;
    if (actions.length === 0) return { achieved: judge ? false : null, steps: 0 };
    this.#stepped = !realTime;
    if (realTime) {
      this.#execution = new Execution(actions, judge);
      return this.#execution.ended;
    }
    return laid.move((table) => {
      for (const [i, action] of actions.entries()) {
        table.step(this.#guard(action));
        if (judge?.after(table)) return { achieved: true, steps: i + 1 };
      }
      return { achieved: judge ? false : null, steps: actions.length };
    });
  }

  async limitSpeed(share: number): Promise<void> {
    this.#speedLimit = share;
  }

  async halt(): Promise<void> {
    this.#halt();
  }

  async showPath(actions: number[][] | null): Promise<void> {
    const { picture } = this.#opened();
    picture.touch();
    picture.path.show(actions && { from: this.#whole().table.position('gripper'), actions });
  }

  async pointer(phase: PointerPhase, x: number, y: number): Promise<'object' | 'view'> {
    const { table } = this.#whole();
    const { picture } = this.#opened();
    this.#stepped = false;
    return this.#drag.to(phase, [x, y], { table, picture, hand: this.#hand });
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
    this.#stepped = false;
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
    { task, ...order }: DemonstrationOrder,
    onProgress: (done: number) => void,
  ): Promise<RecordedDemonstrations> {
    const { mujoco, cameras, picture } = this.#opened();
    picture.touch();
    return recordDemonstrations({
      ...order,
      mujoco,
      view: this.#view,
      cameras,
      task: taskNamed(task),
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
    this.#halt();
    this.#stepped = false;
    const { table, goal } = this.#whole();
    const { cameras, picture } = this.#opened();
    const observe = async () => {
      picture.sync(table);
      return cameras.observe(this.#view);
    };
    this.#hand = new Hand(table, { goal, guard: this.#guard, observe, onStep });
  }

  async steer(action: number[]): Promise<void> {
    this.#hand?.steer(action);
  }

  async handBack(keep: boolean): Promise<RecordedDemonstrations | null> {
    const hand = this.#hand;
    this.#hand = null;
    const laid = this.#laid;
    return keep && hand && laid ? hand.recorded(laid.instruction, laid.scene) : null;
  }

  /** At once: of two chunks that come together, the first is ended before the second begins. */
  #halt(): void {
    this.#execution?.end(false);
    this.#execution = null;
  }

  #tick(now: number): void {
    const elapsedMs = now - this.#time;
    const { picture } = this.#opened();
    const laid = this.#laid;
    if (!laid || !this.#visible) return;
    this.#time = now;
    this.#lag = Math.min(LONGEST_LAG, this.#lag + elapsedMs / 1000);
    if (this.#stepped || laid.broken) this.#lag = 0;
    for (; this.#lag >= TIMESTEP && !laid.broken; this.#lag -= TIMESTEP) this.#advance(laid);
    picture.draw(now, elapsedMs, laid.remains);
  }

  /** One physics step of whatever moves the gripper. Here nobody waits for an error: it would end the worker. */
  #advance(laid: LaidTable): void {
    try {
      laid.move((table) => {
        this.#execution?.tick(table, this.#guard);
        if (this.#execution?.over) this.#execution = null;
        this.#hand?.tick();
        table.advance();
      });
    } catch (error) {
      this.#execution?.fail(error);
      this.#execution = null;
      this.#drag.drop();
      // What was recorded until the table broke can still be handed back.
      if (!laid.broken) this.#hand = null;
      this.#onTrouble(toWorkerError(error));
    }
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
