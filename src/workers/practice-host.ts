import { ModelError } from '../model/errors.ts';
import { Random } from '../model/random.ts';
import { guardAction } from '../practice/action-guard.ts';
import { EXECUTED, MAX_STEPS } from '../practice/evaluate.ts';
import { recordDemonstrations } from '../practice/demonstrations.ts';
import type { Goal } from '../practice/goal.ts';
import { TIMESTEP } from '../practice/mjcf.ts';
import { OBJECTS, type ObjectName, type Vector } from '../practice/objects.ts';
import { rehearsalFor } from '../practice/rehearsal.ts';
import { SuccessJudge } from '../practice/rollout.ts';
import { PracticeTable, type Mujoco } from '../practice/table.ts';
import { assignmentFor, fittingInstructions, goalOf, taskNamed, TASKS } from '../practice/tasks.ts';
import { PLAIN, TableView } from '../practice/view.ts';
import type { WorkerError } from './contract.ts';
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
import type { Cameras, PracticeSurroundings } from './practice-surroundings.ts';
import { TablePicture, type PictureSize } from './table-picture.ts';
import { toWorkerError } from './transfer.ts';

/** More than this is not made up for after a pause (a hidden tab, say), seconds. */
const LONGEST_LAG = 0.1;
/** How hard `disturb` knocks, metres, and for how long, milliseconds. */
const KNOCK = 0.05;
const KNOCK_MS = 400;
/** Where an object is held above where it lies, metres. */
const LIFTED = 0.03;

/** What there is once the table is open. */
interface Stage {
  readonly mujoco: Mujoco;
  readonly picture: TablePicture;
  readonly cameras: Cameras;
}

/** What lies on the table. */
interface Laid {
  readonly table: PracticeTable;
  readonly scene: { readonly task: string; readonly seed: number };
  /** Its physics became unstable: it stands still, and every call about it says so until it is laid anew. */
  broken: ModelError | null;
}

/** What the practice worker does, apart from its messages: one table, moved by actions, by a hand or by the expert. */
export class PracticeHost implements PracticeWorker {
  readonly #around: PracticeSurroundings;
  readonly #view = new TableView();
  readonly #random = new Random(Date.now());
  #stage: Stage | null = null;
  #laid: Laid | null = null;
  #onTrouble: (error: WorkerError) => void = () => undefined;
  #instruction = '';
  /** What the instruction asks for; null where nothing can judge it. */
  #goal: Goal | null = null;
  #execution: Execution | null = null;
  #judge: SuccessJudge | null = null;
  #hand: Hand | null = null;
  #drag: { readonly name: ObjectName | 'gripper'; readonly height: number } | null = null;
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
    const table = new PracticeTable(mujoco, assignment.layout);
    this.#halt();
    this.#laid?.table.dispose();
    this.#laid = { table, scene: { task, seed }, broken: null };
    this.#drag = null;
    this.#hand = null;
    this.#stepped = !realTime;
    picture.path.show(null);
    picture.touch();
    await this.instruct(assignment.instruction);
    const names = assignment.layout.objects.map(({ name }) => name);
    return {
      task,
      seed,
      instruction: assignment.instruction,
      maxSteps: MAX_STEPS,
      execute: EXECUTED,
      suggestions: fittingInstructions(names),
    };
  }

  async instruct(instruction: string): Promise<boolean> {
    const found = goalOf(instruction);
    const table = this.#table();
    const possible =
      found !== null &&
      table.has(found.goal.target) &&
      (!('destination' in found.goal) || table.has(found.goal.destination));
    this.#instruction = instruction;
    this.#goal = possible ? found.goal : null;
    this.#judge = this.#goal && new SuccessJudge(this.#goal);
    return possible;
  }

  async observe(): Promise<TableObservation> {
    const table = this.#table();
    const { cameras, picture } = this.#opened();
    // What moved until now has been taken in, not shown.
    picture.sync(table);
    const state = table.state();
    return { images: await cameras.observe(this.#view), state };
  }

  async execute(actions: number[][], realTime: boolean): Promise<ExecutionReport> {
    this.#halt();
    const table = this.#table();
    if (actions.length === 0) return { achieved: this.#judge ? false : null, steps: 0 };
    this.#stepped = !realTime;
    if (realTime) {
      this.#execution = new Execution(actions, this.#judge);
      return this.#execution.ended;
    }
    return this.#steady(() => {
      for (const [i, action] of actions.entries()) {
        table.step(this.#guard(action));
        if (this.#judge?.after(table)) return { achieved: true, steps: i + 1 };
      }
      return { achieved: this.#judge ? false : null, steps: actions.length };
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
    picture.path.show(actions && { from: this.#table().position('gripper'), actions });
  }

  async pointer(phase: PointerPhase, x: number, y: number): Promise<'object' | 'view'> {
    const table = this.#table();
    const { people } = this.#opened().picture;
    const hand = this.#hand;
    this.#stepped = false;
    if (phase === 'up') {
      if (this.#drag) table.hold(this.#drag.name, null);
      hand?.drag(null);
      this.#drag = null;
      return 'view';
    }
    if (phase === 'down') {
      const names = [...table.layout.objects.map((object) => object.name), 'gripper' as const];
      const name = people.pick(this.#view, names, x, y);
      this.#drag = name && { name, height: table.position(name)[2] + (name === 'gripper' ? 0 : LIFTED) };
    }
    if (!this.#drag) return 'view';
    const point = people.onPlane(x, y, this.#drag.height);
    if (point && hand && this.#drag.name === 'gripper') hand.drag(point);
    else if (point) table.hold(this.#drag.name, point);
    return 'object';
  }

  async orbit(azimuth: number, elevation: number, zoom: number): Promise<void> {
    const { picture } = this.#opened();
    picture.people.orbit(azimuth, elevation, zoom);
    picture.touch();
  }

  async disturb(): Promise<void> {
    const table = this.#table();
    this.#stepped = false;
    const loose = table.layout.objects.map(({ name }) => name).filter((name) => OBJECTS[name].width !== null);
    const name = loose[this.#random.integer(loose.length)]!;
    const [x, y, z] = table.position(name);
    const angle = 2 * Math.PI * this.#random.uniform();
    const to: Vector = [x + KNOCK * Math.cos(angle), y + KNOCK * Math.sin(angle), z + 0.02];
    table.hold(name, to);
    setTimeout(() => {
      if (this.#laid?.table === table && !this.#drag) table.hold(name, null);
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
    const table = this.#table();
    const { cameras, picture } = this.#opened();
    const observe = async () => {
      picture.sync(table);
      return cameras.observe(this.#view);
    };
    this.#hand = new Hand(table, { goal: this.#goal, guard: this.#guard, observe, onStep });
  }

  async steer(action: number[]): Promise<void> {
    this.#hand?.steer(action);
  }

  async handBack(keep: boolean): Promise<RecordedDemonstrations | null> {
    const hand = this.#hand;
    this.#hand = null;
    return keep && hand && this.#laid ? hand.recorded(this.#instruction, this.#laid.scene) : null;
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
    for (; this.#lag >= TIMESTEP && !laid.broken; this.#lag -= TIMESTEP) this.#advance(laid.table);
    picture.draw(now, elapsedMs, laid.table);
  }

  /** One physics step of whatever moves the gripper. Here nobody waits for an error: it would end the worker. */
  #advance(table: PracticeTable): void {
    try {
      this.#steady(() => {
        this.#execution?.tick(table, this.#guard);
        if (this.#execution?.over) this.#execution = null;
        this.#hand?.tick();
        table.advance();
      });
    } catch (error) {
      this.#execution?.fail(error);
      this.#execution = null;
      this.#drag = null;
      // What was recorded until the table broke can still be handed back.
      if (!this.#laid?.broken) this.#hand = null;
      this.#onTrouble(toWorkerError(error));
    }
  }

  /** Moves the table. @throws ModelError what it fails with; `diverged` physics are not stepped any more */
  #steady<T>(move: () => T): T {
    try {
      return move();
    } catch (error) {
      const broken =
        error instanceof ModelError
          ? error
          : new ModelError('diverged', `The practice table failed: ${String(error)}`, 'Reset the table.', {
              cause: error,
            });
      if (this.#laid && broken.code === 'diverged') this.#laid.broken = broken;
      throw broken;
    }
  }

  #opened(): Stage {
    if (!this.#stage) throw new ModelError('bad-input', 'The practice table is not open.', 'Open it first.');
    return this.#stage;
  }

  /** @throws ModelError `bad-input` before it is open, `diverged` until it is laid anew */
  #table(): PracticeTable {
    this.#opened();
    const laid = this.#laid!;
    if (laid.broken) throw laid.broken;
    return laid.table;
  }
}
