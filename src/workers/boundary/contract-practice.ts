/** What crosses the boundary between the page and the practice worker, which owns the table's physics and its drawing. */
import type { Prediction, RawImage, WorkerError } from './contract.ts';

/** Who stands at the table: its own gripper, or an SO-101. */
export type TableRobotName = 'gripper' | 'so101';

interface TableDimension {
  readonly name: string;
  readonly unit: string;
}

/** What a policy for it predicts and is given. */
export interface TableRobotProfile {
  readonly name: string;
  /** Actions of one prediction. */
  readonly chunkSize: number;
  /** Actions per second. */
  readonly controlHz: number;
  readonly actions: readonly TableDimension[];
  readonly state: readonly TableDimension[] | null;
  readonly normalization: 'bounds' | 'bounds_q99';
  readonly images: readonly { readonly name: string; readonly label: string }[];
}

export interface PracticeTask {
  readonly name: string;
  readonly about: string;
  readonly heldOut: boolean;
}

/** Episodes of a trained task that are mixed into demonstrations, so that it is not forgotten. */
export interface Rehearsal {
  readonly task: string;
  readonly episodes: number;
  /** To be recorded on the tables of the demonstrations. */
  readonly sameTables: boolean;
}

/** How a table is laid: the same names are the same layout, and each robot has its own. */
export interface TableLayout {
  /** The task it is laid out for. */
  readonly task: string;
  readonly seed: number;
  readonly robot: TableRobotName;
}

/** One layout of the table, as asked for. */
export interface TableReport extends TableLayout {
  /** What a policy for it predicts and is given. */
  readonly profile: TableRobotProfile;
  /** What it can be asked for. */
  readonly tasks: PracticeTask[];
  /** An instruction that fits what lies there. */
  readonly instruction: string;
  /** An episode is given up after this many actions. */
  readonly maxSteps: number;
  /** Actions carried out of each chunk before the next prediction. */
  readonly execute: number;
  /** Other instructions that fit. */
  readonly suggestions: readonly string[];
  /** What lies there, by the names that instructions use. */
  readonly objects: readonly string[];
}

/** A table at one moment, to be brought back: plain data. */
export interface TableScene extends TableLayout {
  readonly instruction: string;
  /** The state of its physics, and where the robot was to go. */
  readonly snapshot: { readonly physics: readonly number[]; readonly target: readonly number[] };
}

/** What the policy gets. */
export interface TableObservation {
  /** Main and wrist camera. */
  readonly images: RawImage[];
  /** In the units of the robot's profile. */
  readonly state: number[];
}

export interface ExecutionReport {
  /** The instruction's goal was reached; null where no goal is known for it. */
  readonly achieved: boolean | null;
  /** Actions carried out: fewer than given when it was stopped or the goal was reached. */
  readonly steps: number;
}

/** What a policy is set to do at the table. */
export interface RunOrder {
  /** An episode is given up after this many actions. */
  readonly most: number;
  /** Actions carried out of each chunk before the next prediction. */
  readonly execute: number;
  /** In real time, or as fast as it goes: then physics waits for each prediction. */
  readonly realTime: boolean;
  /** Key of the statistics that un-normalise the actions. */
  readonly unnormKey: string;
}

export interface LoopChoices {
  /** Predicts after every action and blends what overlapping chunks say. */
  readonly ensembling: boolean;
  /** In real time the next chunk is predicted while this one is carried out. */
  readonly ahead: boolean;
}

/** Why a robot stands still while it should not. */
export type HoldReason = 'no-action' | 'late';

/** What happens during a run. */
export type RunNews =
  /** The policy is asked about what is there now. */
  | { readonly kind: 'asked' }
  | {
      readonly kind: 'predicted';
      readonly prediction: Prediction;
      readonly instruction: string;
      readonly state: number[];
      /** What the cameras saw. */
      readonly images: RawImage[];
      /** Actions carried out until now. */
      readonly steps: number;
    }
  /** For longer than a moment; null when it goes on. */
  | { readonly kind: 'hold'; readonly why: HoldReason | null };

/** A command that was sent to the robot. */
export interface SentCommand {
  /** Milliseconds; only differences count. */
  readonly atMs: number;
  readonly values: readonly number[];
  /** What was asked for before the guard; null where the robot was brought to rest. */
  readonly asked: readonly number[] | null;
}

export interface RecordedEpisode {
  readonly instruction: string;
  /** [length · actions] */
  readonly actions: Float32Array<ArrayBuffer>;
  /** [length · state]; null where none is recorded. */
  readonly state: Float32Array<ArrayBuffer> | null;
  /** Per camera; pixels, or images in a file's form. */
  readonly frames: Readonly<Record<string, readonly (RawImage | Blob)[]>>;
  /** The layout it was recorded on; null where it was not the practice table's. */
  readonly scene: TableLayout | null;
  /** Of a task the policy knows, mixed in so that it is not forgotten. */
  readonly rehearsal?: boolean;
}

export interface DemonstrationOrder {
  readonly task: string;
  /** Who shows it; it need not be who stands at the table. */
  readonly robot: TableRobotName;
  readonly episodes: number;
  readonly seed: number;
  /** Episodes on whose tables it is done, as far as it can be; none for new tables. */
  readonly tables: readonly Pick<RecordedEpisode, 'instruction' | 'scene'>[];
}

/** Demonstrations recorded in this page, in the form of `src/episodes/memory-dataset.ts`. */
export interface RecordedDemonstrations {
  readonly name: string;
  readonly fps: number;
  readonly actionNames: readonly string[];
  readonly stateNames: readonly string[] | null;
  readonly cameras: readonly { readonly name: string; readonly width: number; readonly height: number }[];
  /** The robot that moved, where that is known: nothing of it has to be guessed. */
  readonly profile?: TableRobotProfile;
  readonly episodes: readonly RecordedEpisode[];
}

/** What a person at the gripper is told, after every step. */
export interface HandReport {
  readonly steps: number;
  /** The goal is reached. */
  readonly achieved: boolean;
  /** Nothing more is recorded: the goal is reached and held, or the episode is as long as one may be. */
  readonly done: boolean;
}

export type PointerPhase = 'down' | 'move' | 'up';

export interface PracticeWorker {
  /**
   * Loads physics and renderer and starts drawing; its own robot's tasks are the answer. Rejects with `unsupported` where neither WebGPU nor WebGL draws.
   * @param onTrouble called when the table fails while nobody waits for it, as with `diverged` physics: until it is laid anew it then stands
   *   still, and every call about it rejects with the same
   */
  open(
    canvas: OffscreenCanvas,
    size: { width: number; height: number; ratio: number },
    onTrouble: (error: WorkerError) => void,
  ): Promise<PracticeTask[]>;
  resize(size: { width: number; height: number; ratio: number }): Promise<void>;
  /** How the surroundings of the table are drawn for people; what the policy sees stays as it is. */
  setDark(dark: boolean): Promise<void>;
  /** A hidden table neither moves nor draws. */
  setVisible(visible: boolean): Promise<void>;
  /**
   * Lays the table anew. The same task and seed give the same layout. Where that fails, the table before stays as it is.
   * @param realTime whether time goes by on it before the next action (default true)
   * @param robot who stands there (default who stood there before)
   */
  reset(task: string, seed: number, realTime?: boolean, robot?: TableRobotName): Promise<TableReport>;
  /** What lies there now. */
  scene(): Promise<TableScene>;
  /** Lays the table as it was then, to the bit; what runs on it ends. */
  bringBack(scene: TableScene): Promise<TableReport>;
  /** Which instruction counts from now on. @returns whether it is one whose success can be judged */
  instruct(instruction: string): Promise<boolean>;
  observe(): Promise<TableObservation>;
  /**
   * What the policy's cameras see, where anything moved.
   * @param since `revision` of the last glance @returns null where nothing has moved since
   */
  glance(since: number): Promise<{ readonly revision: number; readonly images: RawImage[] } | null>;
  /** From now on predictions are asked of the policy at the other end. */
  linkPolicy(port: MessagePort): Promise<void>;
  /** Holds for every run from now on, also for one that goes on. */
  chooseLoop(choices: LoopChoices): Promise<void>;
  /**
   * Lets the policy do what the table is instructed: observe, predict, carry out, again. Ends when the goal is reached, after `most` actions, or when it is
   * halted. In real time physics goes on afterwards, else it waits for the next action (or a hand). Rejects with what predicting fails with.
   */
  run(order: RunOrder, onNews: (news: RunNews) => void): Promise<ExecutionReport>;
  /** Carries out actions [n][dim] that are known already; otherwise as `run`. */
  execute(actions: number[][], realTime: boolean): Promise<ExecutionReport>;
  /** The newest commands that were sent to the robot of this table, oldest first: each has passed the guard. */
  commands(): Promise<SentCommand[]>;
  /** Ends a `run` or an `execute` at once; the gripper stays where it is. */
  halt(): Promise<void>;
  /** Shows where the gripper would go, or nothing; runs show it by themselves. */
  showPath(actions: number[][] | null): Promise<void>;
  /** A pointer in the picture, in pixels of the page: drags an object, or turns the view. */
  pointer(phase: PointerPhase, x: number, y: number): Promise<'object' | 'view'>;
  /** Where in the picture a thing is that can be dragged, and is not what the instruction is about: pixels of the page; null where none shows. */
  draggable(): Promise<{ readonly x: number; readonly y: number } | null>;
  /**
   * Turns and zooms the view for people; nothing of it reaches the policy.
   * @returns the azimuth then, radians: at 0 the table's −x leads away from the viewer, and its +y to the right
   */
  orbit(azimuth: number, elevation: number, zoom: number): Promise<number>;
  /** Knocks one object, at random. */
  disturb(): Promise<void>;
  /** Lets the scripted expert do a task, with noise, and records it. */
  demonstrate(order: DemonstrationOrder, onProgress: (done: number) => void): Promise<RecordedDemonstrations>;
  /** What to let the expert do besides, so that teaching a task, or these instructions, makes nothing be forgotten. */
  rehearsal(
    taught: { readonly task: string } | { readonly instructions: readonly string[] },
  ): Promise<Rehearsal[]>;
  /** Holds for every action from now on, whoever it is from. @param share of the largest step, 0…1 */
  limitSpeed(share: number): Promise<void>;
  /** Hands the gripper to a person. What they do is recorded from the first movement on. */
  takeOver(onStep: (report: HandReport) => void): Promise<void>;
  /** What the person wants from now on, as an action [7]; it holds until the next. Dragging the gripper in the picture overrides it. */
  steer(action: number[]): Promise<void>;
  /** Takes the gripper back. @returns one episode; null where nothing moved, or it is not to be kept */
  handBack(keep: boolean): Promise<RecordedDemonstrations | null>;
}
