/** What a person should know about demonstrations before training on them. */
import { ModelError } from '../model/errors.ts';
import type { Dataset, Episode, FrameImage } from './dataset.ts';
import { fieldStatistics } from './statistics.ts';

export interface Finding {
  id:
    | 'idle'
    | 'frozen-camera'
    | 'clipped'
    | 'constant'
    | 'mixed-rates'
    | 'few-episodes'
    | 'too-short'
    | 'statistics'
    | 'jump';
  severity: 'warning' | 'note';
  /** Its index; null where it is about the whole dataset. */
  episode: number | null;
  dimension?: string;
  camera?: string;
  /** Steps, [from, to). */
  from?: number;
  to?: number;
  message: string;
  hint: string;
}

/** Of the data a policy was trained on. */
export interface DimensionRange {
  readonly name: string;
  readonly q01: number;
  readonly q99: number;
}

export type Recording = Pick<Dataset, 'fps' | 'actionNames' | 'stateNames' | 'cameras'>;

export interface EpisodeReviewOptions {
  /** Steps of a chunk of actions; default: any length will do. */
  readonly chunkSize?: number;
  readonly signal?: AbortSignal;
}

export interface ReviewOptions {
  readonly chunkSize: number;
  /** Ranges by position, as the policy takes its values; `state` is null where it takes none. */
  readonly policy?: {
    readonly actions: readonly DimensionRange[];
    readonly state: readonly DimensionRange[] | null;
  };
  /** Hz of the policy's data. */
  readonly fps?: number;
  readonly signal?: AbortSignal;
  /** Counts episodes read, then episodes whose frames were looked at. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Shorter pauses are part of every task: a grasp, a change of direction. */
const IDLE_SECONDS = 1;
/** Of a dimension's span, within an idle second: above the noise of encoders, below the slowest useful motion. */
const IDLE_SHARE = 0.01;
/** Of a dimension's span: motion that a camera which sees the robot cannot miss. */
const MOTION_SHARE = 0.05;
/** A camera that stalls for less drops a few frames, which harms little. */
const FROZEN_SECONDS = 1;
/** Frames are the slow part, most of all from video; these are enough to catch a camera that hangs. */
const FRAMES_LOOKED_AT = 12;
const EPISODES_LOOKED_AT = 8;
/** A frame is compared as the means of CELLS × CELLS cells, so that noise of the codec averages out. */
const CELLS = 16;
/** Of 255, in the cell that differs most: a thing of 5 × 5 pixels moving in a 224-pixel image makes more. */
const FROZEN_LEVELS = 0.5;
/** A smooth motion touches its limits for a few per cent of the steps at most. */
const CLIPPED_SHARE = 0.15;
/** Every motion has a largest and a smallest value; a limit is where more than this share of them lies. */
const TOUCHED_SHARE = 0.01;
/** Of a dimension's span: the policy's data ends at the same limit. */
const SAME_LIMIT_SHARE = 0.01;
/** A dimension of so few values is a switch, such as a gripper, and always at a limit. */
const SWITCH_VALUES = 3;
/** Fingers rest at their stops and close within a step or two: at a limit or fast is no fault there. */
const GRIPPER = /grip|jaw|finger/i;
/** People differ in speed by a factor of two; a recording at another rate, by more. */
const SPEED_RATIO = 4;
/** The quantile of an episode's steps that tells its speed: a median would tell how long it stands at the end. */
const SPEED_QUANTILE = 0.9;
/** As in fit.ts: further off, the policy's actions are too large or too small. */
const RATE_TOLERANCE = 0.1;
/** OpenVLA-OFT's ALOHA tasks were learnt from 20 to 300 demonstrations each; below 10 none is known to work. */
const FEW_EPISODES = 10;
/** Of the policy's q01..q99. Another task moves the range somewhat; other units move it far. */
const OUTSIDE_SHARE = 0.25;
/** Of the policy's q01..q99. Less than this and normalised values are all but the same: metres for millimetres, say. */
const COVERED_SHARE = 0.05;
/**
 * Of the widest dimension's span: what moves less is noise, such as an angle that nothing turns. The practice table's yaw in "reach"
 * spans 1e-6 rad beside 0.3 m.
 */
const NOISE_SHARE = 1e-3;
/** A tracker that jumps or a dropped stretch; the fastest step of a person or of the scripted expert is some 5 times the median. */
const JUMP_RATIO = 20;
/** Of the span, per step: below it a dimension stands. */
const STANDING_SHARE = 1e-3;
/** Of the steps. What stands more often, and is pushed now and then, has no usual step to tell a jump by. */
const MOVING_STEPS = 0.5;
/** Of the span: keeps dimensions that hardly move from being all jumps. */
const JUMP_SHARE = 0.1;

/** One dimension over all episodes looked at. */
interface Column {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly q01: number;
  readonly q99: number;
  /** What its motion is measured by: q99 − q01, or max − min where that is 0; not less than noise. */
  readonly span: number;
  /** At most `SWITCH_VALUES` different values. */
  readonly isSwitch: boolean;
  /** Median change from step to step, where it moves; null where it mostly stands. */
  readonly usualStep: number | null;
}

/** Actions and state of an episode. */
type Motion = Pick<Episode, 'index' | 'length' | 'actions' | 'state'>;

interface Columns {
  readonly actions: readonly Column[];
  readonly state: readonly Column[] | null;
}

/**
 * One episode on its own: idle stretches, jumps, frozen cameras, its length. What is little motion is measured by the motion in the
 * episode itself, so one that is nothing but noise looks busy here; `reviewDataset` measures by all episodes.
 * @throws ModelError `cancelled`, or what reading a frame throws
 */
export async function reviewEpisode(
  episode: Episode,
  about: Recording,
  options: EpisodeReviewOptions = {},
): Promise<Finding[]> {
  const columns = columnsOf([episode], about);
  return [
    ...motionFindings(episode, about.fps, columns, options.chunkSize ?? 0),
    ...(await frozenCameras(episode, about, columns, options.signal)),
  ];
}

/**
 * Reads every episode's actions and states, and some frames of some episodes. What is about the whole dataset comes first.
 * @throws ModelError `cancelled`, or what reading an episode throws
 */
export async function reviewDataset(dataset: Dataset, options: ReviewOptions): Promise<Finding[]> {
  const { episodes, fps } = dataset;
  const looked = spread(episodes.length, EPISODES_LOOKED_AT).map((at) => episodes[at]!.index);
  const total = episodes.length + looked.length;
  let done = 0;

  const motions: Motion[] = [];
  for (const { index } of episodes) {
    checkSignal(options.signal);
    const episode = await dataset.open(index);
    motions.push(episode);
    episode.close();
    options.onProgress?.(++done, total);
  }
  const columns = columnsOf(motions, dataset);
  const frozen: Finding[] = [];
  for (const index of looked) {
    checkSignal(options.signal);
    const episode = await dataset.open(index);
    try {
      frozen.push(...(await frozenCameras(episode, dataset, columns, options.signal)));
    } finally {
      episode.close();
    }
    options.onProgress?.(++done, total);
  }
  return [
    ...fewEpisodes(episodes.length),
    ...otherRate(fps, options.fps),
    ...fieldFindings('action', columns.actions, parts(motions, 'actions'), options.policy?.actions),
    // A policy that takes no state does not care about it.
    ...(columns.state && options.policy?.state !== null
      ? fieldFindings('state', columns.state, parts(motions, 'state'), options.policy?.state)
      : []),
    ...otherSpeeds(motions, columns.state, fps),
    ...motions.flatMap((motion) => motionFindings(motion, fps, columns, options.chunkSize)),
    ...frozen,
  ];
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ModelError('cancelled', 'The review of the demonstrations was cancelled.');
}

/** At most `most` whole numbers below `count`, evenly spread, with the first and the last. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}

/** 0 of nothing. */
function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? 0;
}

const median = (values: readonly number[]) => quantile(values, 0.5);

function parts(motions: readonly Motion[], of: 'actions' | 'state'): Float32Array[] {
  return motions.flatMap((motion) => motion[of] ?? []);
}

function columnsOf(motions: readonly Motion[], about: Recording): Columns {
  const state = about.stateNames ? fieldColumns(parts(motions, 'state'), about.stateNames) : [];
  return {
    actions: fieldColumns(parts(motions, 'actions'), about.actionNames),
    state: state.length > 0 ? state : null,
  };
}

/** Empty where nothing was recorded. */
function fieldColumns(values: readonly Float32Array[], names: readonly string[]): Column[] {
  if (values.every(({ length }) => length === 0)) return [];
  const size = names.length;
  const { min, max, q01, q99 } = fieldStatistics(values, size);
  const widths = names.map((_, i) => q99[i]! - q01[i]! || max[i]! - min[i]!);
  const noise = NOISE_SHARE * Math.max(...widths);
  return names.map((name, i) => {
    // A gripper's opening in metres may stand beside angles in degrees.
    const span = GRIPPER.test(name) ? widths[i]! : Math.max(widths[i]!, noise);
    return {
      name,
      min: min[i]!,
      max: max[i]!,
      q01: q01[i]!,
      q99: q99[i]!,
      span,
      isSwitch: isSwitch(values, i, size),
      usualStep: usualStep(
        values.flatMap((part) => changesOf(part, i, size)),
        span,
      ),
    };
  });
}

function usualStep(changes: readonly number[], span: number): number | null {
  const moving = changes.filter((change) => change > STANDING_SHARE * span);
  return moving.length === 0 || moving.length < MOVING_STEPS * changes.length ? null : median(moving);
}

/** |change| of one column of values [length, size] from each step to the next. */
function changesOf(values: Float32Array, column: number, size: number): number[] {
  return Array.from({ length: Math.max(0, values.length / size - 1) }, (_, at) =>
    Math.abs(values[(at + 1) * size + column]! - values[at * size + column]!),
  );
}

function isSwitch(values: readonly Float32Array[], column: number, size: number): boolean {
  const seen = new Set<number>();
  for (const part of values) {
    for (let i = column; i < part.length; i += size) {
      if (seen.add(part[i]!).size > SWITCH_VALUES) return false;
    }
  }
  return true;
}

function motionFindings(motion: Motion, fps: number, columns: Columns, chunkSize: number): Finding[] {
  return [
    ...tooShort(motion, chunkSize),
    ...idleStretches(motion, fps, columns),
    ...jumps(motion, columns.state),
  ];
}

function tooShort({ index, length }: Motion, chunkSize: number): Finding[] {
  if (length >= chunkSize) return [];
  return [
    {
      id: 'too-short',
      severity: 'warning',
      episode: index,
      message: `The episode has ${length} steps; the policy predicts ${chunkSize} at once, so nothing can be learnt from it.`,
      hint: 'It is left out of training. Record it again, longer, or trim less.',
    },
  ];
}

/** Whether no dimension changes by more than `share` of its span over steps [from, to) of values [length, columns]. */
function isStill(
  values: Float32Array,
  columns: readonly Column[],
  share: number,
  from: number,
  to: number,
): boolean {
  return columns.every(({ span }, column) => {
    let low = Infinity;
    let high = -Infinity;
    for (let at = from; at < to; at++) {
      const value = values[at * columns.length + column]!;
      low = Math.min(low, value);
      high = Math.max(high, value);
      if (high - low > share * span) return false;
    }
    return true;
  });
}

/**
 * At rest, an action does not change: a position is held, a difference stays 0. A difference that is held (a pressed key) is told
 * from rest by the state, which moves; without one, a dimension that can be 0 rests there only, unless it is a gripper.
 */
function isIdle({ actions, state }: Motion, columns: Columns, from: number, to: number): boolean {
  if (!isStill(actions, columns.actions, IDLE_SHARE, from, to)) return false;
  if (state && columns.state) return isStill(state, columns.state, IDLE_SHARE, from, to);
  return columns.actions.every(({ name, min, max, span }, column) => {
    const value = actions[from * columns.actions.length + column]!;
    return GRIPPER.test(name) || min > 0 || max < 0 || Math.abs(value) <= IDLE_SHARE * span;
  });
}

function idleStretches(motion: Motion, fps: number, columns: Columns): Finding[] {
  const least = Math.max(2, Math.ceil(IDLE_SECONDS * fps));
  const stretches: { from: number; to: number }[] = [];
  for (let from = 0; from + least <= motion.length; from++) {
    if (!isIdle(motion, columns, from, from + least)) continue;
    const last = stretches.at(-1);
    if (last && from < last.to) last.to = from + least;
    else stretches.push({ from, to: from + least });
  }
  return stretches.map(({ from, to }) => ({
    id: 'idle',
    severity: 'warning',
    episode: motion.index,
    from,
    to,
    message: `Nothing moves for ${((to - from) / fps).toFixed(1)} s (steps ${from} to ${to - 1}). A policy trained on this learns to wait there.`,
    hint: idleHint(from, to, motion.length),
  }));
}

function idleHint(from: number, to: number, length: number): string {
  if (from === 0 && to === length) return 'Leave the episode out: it shows nothing.';
  if (from === 0) return `Trim the beginning: keep the episode from step ${to}.`;
  if (to === length) return `Trim the end: keep the steps before ${from}.`;
  return 'A pause in the middle cannot be trimmed away: if the task needs none, record the episode again.';
}

/** One finding per dimension, at its largest jump. */
function jumps({ index, state }: Motion, columns: readonly Column[] | null): Finding[] {
  if (!state || !columns) return [];
  return columns.flatMap(({ name, span, usualStep: usual, isSwitch: switches }, column): Finding[] => {
    if (switches || GRIPPER.test(name) || usual === null) return [];
    const changes = changesOf(state, column, columns.length);
    const far = changes.filter((change) => change > JUMP_RATIO * usual && change > JUMP_SHARE * span);
    if (far.length === 0) return [];
    const largest = Math.max(...far);
    const from = changes.indexOf(largest);
    return [
      {
        id: 'jump',
        severity: 'warning',
        episode: index,
        dimension: name,
        from,
        to: from + 2,
        message:
          `"${name}" of the state jumps ${far.length === 1 ? 'once' : `${far.length} times`}: at step ${from} by ${short(largest)}, ` +
          `${Math.round(largest / usual)} times its usual step.`,
        hint: 'Frames may be missing there, or the sensor failed; an angle may have wrapped from π to −π. Trim it away, or leave the episode out.',
      },
    ];
  });
}

const short = (value: number) => String(Number(value.toPrecision(3)));

function fewEpisodes(count: number): Finding[] {
  if (count >= FEW_EPISODES) return [];
  return [
    {
      id: 'few-episodes',
      severity: 'warning',
      episode: null,
      message: `There ${count === 1 ? 'is 1 episode' : `are ${count} episodes`}; 20 to 50 for one task are usual.`,
      hint: 'With so few, the policy learns these recordings rather than the task. Record more, with things in other places.',
    },
  ];
}

function otherRate(fps: number, expected: number | undefined): Finding[] {
  if (expected === undefined || Math.abs(fps / expected - 1) <= RATE_TOLERANCE) return [];
  return [
    {
      id: 'mixed-rates',
      severity: 'warning',
      episode: null,
      message: `The demonstrations have ${short(fps)} steps per second, the policy’s own data ${short(expected)}.`,
      hint: 'A step then means another distance. Resample the recording to the policy’s rate, or record at it.',
    },
  ];
}

/** Without a state nothing tells an action that is a position from one that is a difference, so there is no speed. */
function otherSpeeds(motions: readonly Motion[], columns: readonly Column[] | null, fps: number): Finding[] {
  if (!columns) return [];
  const speeds = motions
    .map((motion) => ({ index: motion.index, speed: typicalSpeed(motion, columns) }))
    .filter(({ speed }) => speed > 0);
  const usual = median(speeds.map(({ speed }) => speed));
  return speeds.flatMap(({ index, speed }): Finding[] => {
    const ratio = Math.max(speed / usual, usual / speed);
    if (ratio <= SPEED_RATIO) return [];
    return [
      {
        id: 'mixed-rates',
        severity: 'warning',
        episode: index,
        message: `The robot moves ${short(ratio)} times as ${speed > usual ? 'far' : 'little'} per step as in the median episode.`,
        hint: `Recorded at another rate than ${short(fps)} steps per second, or far ${speed > usual ? 'faster' : 'slower'}? Leave it out, or record it again like the others.`,
      },
    ];
  });
}

/** A fast step's |Δstate|, each dimension as a share of its span; those that mostly stand, and grippers, tell no speed. */
function typicalSpeed({ length, state }: Motion, columns: readonly Column[]): number {
  if (!state) return 0;
  const squares = new Float64Array(Math.max(0, length - 1));
  for (const [i, { name, span, usualStep: usual }] of columns.entries()) {
    if (usual === null || GRIPPER.test(name)) continue;
    for (const [at, change] of changesOf(state, i, columns.length).entries())
      squares[at]! += (change / span) ** 2;
  }
  return Math.sqrt(quantile([...squares], SPEED_QUANTILE));
}

function fieldFindings(
  field: 'action' | 'state',
  columns: readonly Column[],
  values: readonly Float32Array[],
  policy: readonly DimensionRange[] | null | undefined,
): Finding[] {
  const rows = { parts: values, size: columns.length };
  // Where the numbers of dimensions differ, fit.ts refuses the dataset; there is nothing to compare.
  const ranges = policy?.length === columns.length ? policy : null;
  return columns.flatMap((column, i): Finding[] => {
    const range = ranges?.[i] ?? null;
    const about = `"${column.name}" of the ${field}`;
    const found = { episode: null, dimension: column.name } as const;
    if (column.min === column.max) {
      const expected = range !== null && range.q01 === range.q99;
      return [
        {
          ...found,
          id: 'constant',
          severity: expected ? 'note' : 'warning',
          message: `${about} is always ${short(column.min)}${expected ? ', as it never changed in the policy’s own data' : ''}.`,
          hint: expected
            ? 'Nothing to do.'
            : 'If the robot can move there, check the recorder. If the task needs no such motion, this is fine: it is learnt as standing still.',
        },
      ];
    }
    const clip = clipped(column, i, rows, range);
    const off = range && mismatch(column, range);
    return [
      ...(clip ? [{ ...found, ...clip, message: `${about} ${clip.message}` }] : []),
      ...(off ? [{ ...found, ...off, message: `${about} ${off.message}` }] : []),
    ];
  });
}

/** Values of all episodes, [length, size] each. */
interface Rows {
  readonly parts: readonly Float32Array[];
  readonly size: number;
}

/** A finding about one dimension, but for its place; the message lacks its subject. */
type Described = Pick<Finding, 'id' | 'severity' | 'message' | 'hint'>;

/** Where 0 is the limit it is rest, not a stop. */
function clipped(column: Column, at: number, rows: Rows, range: DimensionRange | null): Described | null {
  if (column.isSwitch || GRIPPER.test(column.name)) return null;
  const ends = [
    { limit: column.min, policy: range?.q01 },
    { limit: column.max, policy: range?.q99 },
  ]
    .map((end) => ({ ...end, share: shareOf(rows, at, end.limit) }))
    .filter((end) => end.limit !== 0 && end.share > TOUCHED_SHARE);
  const share = ends.reduce((sum, end) => sum + end.share, 0);
  if (share < CLIPPED_SHARE) return null;
  const known = ends.every(
    ({ limit, policy }) => policy !== undefined && Math.abs(limit - policy) <= SAME_LIMIT_SHARE * column.span,
  );
  const limits = ends.map(({ limit }) => short(limit)).join(' or ');
  return {
    id: 'clipped',
    severity: known ? 'note' : 'warning',
    message: `sits exactly at its limit (${limits}) in ${Math.round(share * 100)} % of the steps${known ? '; the policy’s own data ends there too' : ''}.`,
    hint: known
      ? 'Nothing to do.'
      : 'What was meant beyond the limit is lost. Move more slowly, or raise the limit of the controller or the recorder.',
  };
}

function shareOf({ parts: values, size }: Rows, column: number, wanted: number): number {
  let count = 0;
  let found = 0;
  for (const part of values) {
    for (let i = column; i < part.length; i += size) {
      count++;
      if (part[i] === wanted) found++;
    }
  }
  return found / count;
}

function mismatch({ q01, q99 }: Column, range: DimensionRange): Described | null {
  const width = range.q99 - range.q01;
  const outside = Math.max(range.q01 - q01, q99 - range.q99) > OUTSIDE_SHARE * width;
  const narrow = q99 - q01 < COVERED_SHARE * width;
  if (!outside && !narrow) return null;
  return {
    id: 'statistics',
    severity: 'warning',
    message:
      `goes from ${short(q01)} to ${short(q99)}, in the policy’s own data from ${short(range.q01)} to ${short(range.q99)}: ` +
      `${outside ? 'far outside it' : 'a small part of it'}.`,
    hint: 'Check the units (m or mm, rad or degrees), the order of the dimensions, and whether values are positions or differences.',
  };
}

/** Only frames `FRAMES_LOOKED_AT` apart are compared, so a freeze between two of them is not seen. */
async function frozenCameras(
  episode: Episode,
  about: Recording,
  columns: Columns,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const steps = spread(episode.length, FRAMES_LOOKED_AT);
  const findings: Finding[] = [];
  for (const { name } of about.cameras) {
    const seen: { step: number; cells: Float64Array }[] = [];
    for (const step of steps) {
      checkSignal(signal);
      seen.push({ step, cells: cellMeans(await episode.frame(name, step)) });
    }
    for (const { from, to } of equalRuns(seen)) {
      if ((to - 1 - from) / about.fps < FROZEN_SECONDS || !moves(episode, columns, from, to)) continue;
      findings.push({
        id: 'frozen-camera',
        severity: 'warning',
        episode: episode.index,
        camera: name,
        from,
        to,
        message: `Camera "${name}" shows the same picture for ${((to - from) / about.fps).toFixed(1)} s (steps ${from} to ${to - 1}) while the robot moves.`,
        hint: 'Check its cable and that it sees the robot. Trim these steps away, or leave the episode out.',
      });
    }
  }
  return findings;
}

/** Runs of frames that equal the first of the run, as steps [from, to). */
function equalRuns(seen: readonly { step: number; cells: Float64Array }[]): { from: number; to: number }[] {
  const runs: { from: number; to: number; cells: Float64Array }[] = [];
  for (const { step, cells } of seen) {
    const run = runs.at(-1);
    if (run?.cells.every((mean, i) => Math.abs(mean - cells[i]!) <= FROZEN_LEVELS)) run.to = step + 1;
    else runs.push({ from: step, to: step + 1, cells });
  }
  return runs;
}

/** Mean of red, green and blue in each of CELLS × CELLS cells, 0 to 255; 0 in cells of an image smaller than that. */
function cellMeans({ width, height, data }: FrameImage): Float64Array {
  const sums = new Float64Array(CELLS * CELLS);
  const counts = new Float64Array(CELLS * CELLS);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * CELLS) / height) * CELLS;
    for (let x = 0; x < width; x++) {
      const cell = row + Math.floor((x * CELLS) / width);
      const at = 4 * (y * width + x);
      sums[cell]! += (data[at]! + data[at + 1]! + data[at + 2]!) / 3;
      counts[cell]!++;
    }
  }
  return sums.map((sum, cell) => sum / Math.max(1, counts[cell]!));
}

function moves({ actions, state }: Motion, columns: Columns, from: number, to: number): boolean {
  return state && columns.state
    ? !isStill(state, columns.state, MOTION_SHARE, from, to)
    : !isStill(actions, columns.actions, MOTION_SHARE, from, to);
}
