import * as THREE from 'three/webgpu';
import { ModelError } from '../model/errors.ts';
import { Random } from '../model/random.ts';
import { guardAction } from '../practice/action-guard.ts';
import { EXECUTED, MAX_STEPS } from '../practice/evaluate.ts';
import { recordDemonstrations } from '../practice/demonstrations.ts';
import type { Goal } from '../practice/goal.ts';
import { loadMujoco } from '../practice/mujoco.ts';
import { SUBSTEPS, TIMESTEP } from '../practice/mjcf.ts';
import { OBJECTS, type ObjectName, type Vector } from '../practice/objects.ts';
import { TableCameras } from '../practice/observe.ts';
import { PathLine, PeopleCamera } from '../practice/people-view.ts';
import { SuccessJudge } from '../practice/rollout.ts';
import { PracticeTable, type Mujoco } from '../practice/table.ts';
import { rehearsalFor } from '../practice/rehearsal.ts';
import { assignmentFor, fittingInstructions, goalOf, taskNamed, TASKS } from '../practice/tasks.ts';
import { PLAIN, TableView } from '../practice/view.ts';
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
import { Hand } from './hand.ts';

type Size = Parameters<PracticeWorker['resize']>[0];

/** More than this is not made up for after a pause (a hidden tab, say), seconds. */
const LONGEST_LAG = 0.1;
/** How hard `disturb` knocks, metres. */
const KNOCK = 0.05;

const FIRST_FRAME_MS = 16;
/** Slower than this the processor draws, as it seems: pictures then leave it time to predict in. */
const LABOURED_FRAME_MS = 22;
const PACE_MS = 48;
const SLOW_FRAME_MS = 45;
const COARSEST = 0.35;
/** After this long without movement the picture is drawn once with all its pixels. */
const REST_MS = 250;

interface Execution {
  readonly actions: readonly (readonly number[])[];
  readonly finish: (report: ExecutionReport) => void;
  next: number;
  /** Physics steps left of the current action. */
  left: number;
}

/** What the practice worker does, apart from its messages. */
export class PracticeHost implements PracticeWorker {
  #mujoco: Mujoco | null = null;
  #renderer: THREE.WebGPURenderer | null = null;
  #cameras: TableCameras | null = null;
  readonly #view = new TableView();
  readonly #people = new PeopleCamera();
  readonly #path = new PathLine();
  #table: PracticeTable | null = null;
  #scene: { readonly task: string; readonly seed: number } | null = null;
  #instruction = '';
  /** What the instruction asks for; null where nothing can judge it. */
  #goal: Goal | null = null;
  #judge: SuccessJudge | null = null;
  #execution: Execution | null = null;
  #hand: Hand | null = null;
  #speedLimit = 1;
  readonly #guard = (action: readonly number[]): number[] => guardAction(action, this.#speedLimit);
  #drag: { readonly name: ObjectName | 'gripper'; readonly height: number } | null = null;
  #visible = true;
  /** Physics moves with the actions alone: trials come out the same however long a prediction takes. */
  #stepped = false;
  /** Something other than the table changed since the last picture. */
  #stale = true;
  #time = 0;
  #lag = 0;
  #size: Size | null = null;
  /** Share of the pixels per side that is drawn while something moves. */
  #movingDetail = 1;
  /** Likewise, of the last picture. */
  #detail = 1;
  #movedAt = 0;
  /** Running mean. */
  #frameMs = FIRST_FRAME_MS;
  /** Least time between two pictures. */
  #paceMs = 0;
  #drawnAt = 0;
  readonly #random = new Random(Date.now());

  async open(canvas: OffscreenCanvas, size: Size): Promise<PracticeTask[]> {
    const [mujoco, { renderer, software }] = await Promise.all([loadMujoco(), openRenderer(canvas)]);
    this.#mujoco = mujoco;
    this.#renderer = renderer;
    if (software) this.#drawLess();
    this.#cameras = new TableCameras(renderer);
    this.#view.setAppearance(PLAIN);
    this.#view.scene.add(this.#path.object);
    await this.resize(size);
    await this.reset(TASKS[0]!.name, 0);
    const draw = (now: number): void => {
      this.#tick(now);
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
    return TASKS.map(({ name, about, heldOut }) => ({ name, about, heldOut }));
  }

  async resize({ width, height, ratio }: Size): Promise<void> {
    const renderer = this.#drawn();
    this.#size = { width, height, ratio };
    renderer.setPixelRatio(ratio * this.#detail);
    renderer.setSize(width, height, false);
    this.#people.resize(width, height);
    this.#stale = true;
  }

  async setVisible(visible: boolean): Promise<void> {
    this.#visible = visible;
    this.#stale = true;
  }

  async reset(task: string, seed: number, realTime = true): Promise<TableReport> {
    const assignment = assignmentFor(taskNamed(task), seed);
    await this.halt();
    const table = new PracticeTable(this.#physics(), assignment.layout);
    this.#table?.dispose();
    this.#table = table;
    this.#drag = null;
    this.#hand = null;
    this.#scene = { task, seed };
    this.#stepped = !realTime;
    this.#path.show(null);
    this.#stale = true;
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
    const table = this.#laid();
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
    const table = this.#laid();
    // What moved until now has been taken in, not shown.
    this.#stale = this.#view.sync(table) || this.#stale;
    const state = table.state();
    return { images: await this.#cameras!.observe(this.#view), state };
  }

  async execute(actions: number[][], realTime: boolean): Promise<ExecutionReport> {
    await this.halt();
    if (actions.length === 0) return { achieved: this.#judge ? false : null, steps: 0 };
    this.#stepped = !realTime;
    if (realTime) {
      return new Promise((finish) => {
        this.#execution = { actions, finish, next: 0, left: 0 };
      });
    }
    const table = this.#laid();
    for (const [i, action] of actions.entries()) {
      table.step(this.#guard(action));
      if (this.#judge?.after(table)) return { achieved: true, steps: i + 1 };
    }
    return { achieved: this.#judge ? false : null, steps: actions.length };
  }

  async limitSpeed(share: number): Promise<void> {
    this.#speedLimit = share;
  }

  async halt(): Promise<void> {
    this.#end(false);
  }

  async showPath(actions: number[][] | null): Promise<void> {
    this.#stale = true;
    this.#path.show(actions && { from: this.#laid().position('gripper'), actions });
  }

  async pointer(phase: PointerPhase, x: number, y: number): Promise<'object' | 'view'> {
    const table = this.#laid();
    const hand = this.#hand;
    this.#stepped = false;
    if (phase === 'up') {
      if (this.#drag) table.hold(this.#drag.name, null);
      hand?.drag(null);
      this.#drag = null;
      return 'view';
    }
    if (phase === 'down') {
      const name = this.#people.pick(
        this.#view,
        [...table.layout.objects.map((object) => object.name), 'gripper'],
        x,
        y,
      );
      this.#drag = name && { name, height: table.position(name)[2] + (name === 'gripper' ? 0 : 0.03) };
    }
    if (!this.#drag) return 'view';
    const point = this.#people.onPlane(x, y, this.#drag.height);
    if (point && hand && this.#drag.name === 'gripper') hand.drag(point);
    else if (point) table.hold(this.#drag.name, point);
    return 'object';
  }

  async orbit(azimuth: number, elevation: number, zoom: number): Promise<void> {
    this.#people.orbit(azimuth, elevation, zoom);
    this.#stale = true;
  }

  async disturb(): Promise<void> {
    const table = this.#laid();
    this.#stepped = false;
    const loose = table.layout.objects.map(({ name }) => name).filter((name) => OBJECTS[name].width !== null);
    const name = loose[this.#random.integer(loose.length)]!;
    const [x, y, z] = table.position(name);
    const angle = 2 * Math.PI * this.#random.uniform();
    const to: Vector = [x + KNOCK * Math.cos(angle), y + KNOCK * Math.sin(angle), z + 0.02];
    table.hold(name, to);
    setTimeout(() => {
      if (this.#table === table && !this.#drag) table.hold(name, null);
    }, 400);
  }

  async demonstrate(
    { task, ...order }: DemonstrationOrder,
    onProgress: (done: number) => void,
  ): Promise<RecordedDemonstrations> {
    this.#stale = true;
    return recordDemonstrations({
      ...order,
      mujoco: this.#physics(),
      view: this.#view,
      cameras: this.#cameras!,
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
    await this.halt();
    this.#stepped = false;
    const table = this.#laid();
    const observe = async () => {
      this.#stale = this.#view.sync(table) || this.#stale;
      return this.#cameras!.observe(this.#view);
    };
    this.#hand = new Hand(table, { goal: this.#goal, guard: this.#guard, observe, onStep });
  }

  async steer(action: number[]): Promise<void> {
    this.#hand?.steer(action);
  }

  async handBack(keep: boolean): Promise<RecordedDemonstrations | null> {
    const hand = this.#hand;
    this.#hand = null;
    return keep && hand ? hand.recorded(this.#instruction, this.#scene) : null;
  }

  #tick(now: number): void {
    const table = this.#table;
    const renderer = this.#renderer;
    if (!table || !renderer || !this.#visible) return;
    this.#adapt(now - this.#time);
    this.#lag = Math.min(LONGEST_LAG, this.#lag + (now - this.#time) / 1000);
    this.#time = now;
    if (this.#stepped) this.#lag = 0;
    for (; this.#lag >= TIMESTEP; this.#lag -= TIMESTEP) this.#advance(table);
    // A table at rest costs nothing: what is on the screen stays there.
    this.#stale = this.#view.sync(table) || this.#stale;
    if (this.#stale) this.#movedAt = now;
    const detail = now - this.#movedAt < REST_MS ? this.#movingDetail : 1;
    if (!this.#stale && detail <= this.#detail) return;
    if (now - this.#drawnAt < this.#paceMs) return;
    if (detail !== this.#detail) this.#draws(detail);
    this.#stale = false;
    this.#drawnAt = now;
    renderer.render(this.#view.scene, this.#people.camera);
  }

  #draws(detail: number): void {
    this.#detail = detail;
    this.#drawn().setPixelRatio(this.#size!.ratio * detail);
  }

  /** Draws less often and fewer pixels where frames take long: a smooth coarse picture serves better than a fine one that stutters. */
  #adapt(elapsedMs: number): void {
    if (elapsedMs > 1000) return;
    this.#frameMs += 0.05 * (elapsedMs - this.#frameMs);
    if (this.#frameMs > (this.#paceMs === 0 ? LABOURED_FRAME_MS : SLOW_FRAME_MS)) this.#drawLess();
  }

  #drawLess(): void {
    this.#paceMs = PACE_MS;
    this.#movingDetail = Math.max(COARSEST, this.#movingDetail * 0.7);
    this.#frameMs = FIRST_FRAME_MS;
  }

  #advance(table: PracticeTable): void {
    const execution = this.#execution;
    if (execution && execution.left === 0) {
      if (execution.next > 0 && this.#judge?.after(table)) {
        this.#end(true);
      } else if (execution.next === execution.actions.length) {
        this.#end(false);
      } else {
        table.begin(this.#guard(execution.actions[execution.next]!));
        execution.next++;
        execution.left = SUBSTEPS;
      }
    }
    this.#hand?.tick();
    table.advance();
    if (this.#execution) this.#execution.left--;
  }

  #end(achieved: boolean): void {
    const execution = this.#execution;
    this.#execution = null;
    execution?.finish({ achieved: this.#judge ? achieved : null, steps: execution.next });
  }

  #physics(): Mujoco {
    if (!this.#mujoco) throw new ModelError('bad-input', 'The practice table is not open.', 'Open it first.');
    return this.#mujoco;
  }

  #drawn(): THREE.WebGPURenderer {
    if (!this.#renderer)
      throw new ModelError('bad-input', 'The practice table is not open.', 'Open it first.');
    return this.#renderer;
  }

  #laid(): PracticeTable {
    if (!this.#table) throw new ModelError('bad-input', 'The practice table is not open.', 'Open it first.');
    return this.#table;
  }
}

/** WebGPU, or WebGL 2 where there is none. `software`: the processor draws. */
async function openRenderer(
  canvas: OffscreenCanvas,
): Promise<{ renderer: THREE.WebGPURenderer; software: boolean }> {
  try {
    // three.js asks the canvas for what only one in a document has.
    const element = Object.assign(canvas, { style: {} }) as unknown as HTMLCanvasElement;
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    // Chromium's software WebGPU cannot show a canvas; its software WebGL can.
    const software = adapter?.info.isFallbackAdapter ?? false;
    const renderer = new THREE.WebGPURenderer({
      canvas: element,
      antialias: true,
      forceWebGL: !adapter || software,
    });
    await renderer.init();
    return { renderer, software };
  } catch (error) {
    throw new ModelError(
      'unsupported',
      `The practice table cannot be drawn here: ${error instanceof Error ? error.message : String(error)}`,
      'Allow hardware acceleration or WebGL in the browser’s settings, or use the camera view.',
      { cause: error },
    );
  }
}
