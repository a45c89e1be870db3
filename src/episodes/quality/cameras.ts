/** Cameras that hang while the robot moves. */
import type { Episode, EpisodeInfo, FrameImage } from '../dataset.ts';
import type { Fields, Motion, Recording } from './columns.ts';
import type { Finding } from './finding.ts';
import { moves } from './motion.ts';
import { checkSignal } from './signal.ts';

/** Frames are the slow part, most of all from video; these are enough to catch a camera that hangs. */
const FRAMES_LOOKED_AT = 12;
const EPISODES_LOOKED_AT = 8;
/** A camera that stalls for less drops a few frames, which harms little. */
const FROZEN_SECONDS = 1;
/** Of a dimension's span: motion that a camera which sees the robot cannot miss. */
const MOTION_SHARE = 0.05;
/** A frame is compared as the means of CELLS × CELLS cells, so that noise of the codec averages out. */
const CELLS = 16;
/** Of 255, in the cell that differs most: a thing of 5 × 5 pixels moving in a 224-pixel image makes more. */
const FROZEN_LEVELS = 0.5;

/** Whose frames to look at. */
export function episodesLookedAt(episodes: readonly EpisodeInfo[]): EpisodeInfo[] {
  return spread(episodes.length, EPISODES_LOOKED_AT).map((at) => episodes[at]!);
}

/**
 * Only frames `FRAMES_LOOKED_AT` apart are compared, so a freeze between two of them is not seen.
 * @throws ModelError `cancelled`, or what reading a frame throws
 */
export async function frozenCameras(
  episode: Episode,
  about: Recording,
  fields: Fields,
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
      if ((to - 1 - from) / about.fps < FROZEN_SECONDS || !robotMoves(episode, fields, from, to)) continue;
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

/** At most `most` whole numbers below `count`, evenly spread, with the first and the last. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
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

function robotMoves({ actions, state }: Motion, fields: Fields, from: number, to: number): boolean {
  return state && fields.state
    ? moves(state, fields.state, MOTION_SHARE, from, to)
    : moves(actions, fields.actions, MOTION_SHARE, from, to);
}
