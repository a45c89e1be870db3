/** Cameras that hang while the robot moves, were swapped, or have frames that cannot be read. */
import { ModelError } from '../../base/errors.ts';
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
/** With fewer episodes nobody can say which of two views is whose. */
const LEAST_EPISODES = 3;
/** Of 255: two cameras that look alike cannot be told apart by their views. */
const DIFFERENT_LEVELS = 12;
/** Views of other episodes have to fit twice as well crosswise. */
const SWAPPED_RATIO = 0.5;

/** Whose frames to look at. */
export function episodesLookedAt(episodes: readonly EpisodeInfo[], most = EPISODES_LOOKED_AT): EpisodeInfo[] {
  return spread(episodes.length, most).map((at) => episodes[at]!);
}

/** Frames of one camera in one episode, as means of cells. */
export interface CameraLook {
  readonly episode: number;
  readonly camera: string;
  readonly seen: readonly { readonly step: number; readonly cells: Float64Array }[];
}

/**
 * A frame that cannot be read is a finding, and the other cameras are still looked at.
 * @throws ModelError `cancelled`
 */
export async function lookAt(
  episode: Episode,
  about: Recording,
  steps: readonly number[],
  signal: AbortSignal | undefined,
): Promise<{ looks: CameraLook[]; findings: Finding[] }> {
  const looks: CameraLook[] = [];
  const findings: Finding[] = [];
  for (const { name } of about.cameras) {
    const seen: { step: number; cells: Float64Array }[] = [];
    const failed: { step: number; error: ModelError }[] = [];
    for (const step of steps) {
      checkSignal(signal);
      try {
        seen.push({ step, cells: cellMeans(await episode.frame(name, step)) });
      } catch (error) {
        if (!(error instanceof ModelError) || error.code === 'cancelled') throw error;
        failed.push({ step, error });
        // What the browser cannot decode at all is said once.
        if (error.code === 'unsupported') break;
      }
    }
    looks.push({ episode: episode.index, camera: name, seen });
    if (failed.length > 0) findings.push(unreadableFrames(episode, name, failed[0]!.step, failed[0]!.error));
  }
  return { looks, findings };
}

function unreadableFrames({ index }: Episode, camera: string, step: number, error: ModelError): Finding {
  const about = { id: 'unreadable-frames', severity: 'warning', camera } as const;
  // A codec is the same in every episode.
  if (error.code === 'unsupported') {
    const message = `Camera "${camera}" cannot be decoded here: ${error.message}`;
    return { ...about, episode: null, message, hint: error.hint };
  }
  return {
    ...about,
    episode: index,
    from: step,
    to: step + 1,
    message: `Camera "${camera}" has no readable frame at step ${step}: ${error.message}`,
    hint: error.hint || 'Trim these steps away, or leave the episode out.',
  };
}

/** Steps whose frames are looked at; only these are compared, so a freeze between two of them is not seen. */
export function stepsLookedAt(length: number): number[] {
  return spread(length, FRAMES_LOOKED_AT);
}

export function frozenCameras(
  motion: Motion,
  looks: readonly CameraLook[],
  about: Recording,
  fields: Fields,
): Finding[] {
  return looks.flatMap(({ camera, seen }) =>
    equalRuns(seen).flatMap(({ from, to }): Finding[] => {
      if ((to - 1 - from) / about.fps < FROZEN_SECONDS || !robotMoves(motion, fields, from, to)) return [];
      return [
        {
          id: 'frozen-camera',
          severity: 'warning',
          episode: motion.index,
          camera,
          from,
          to,
          message: `Camera "${camera}" shows the same picture for ${((to - from) / about.fps).toFixed(1)} s (steps ${from} to ${to - 1}) while the robot moves.`,
          hint: 'Check its cable and that it sees the robot. Trim these steps away, or leave the episode out.',
        },
      ];
    }),
  );
}

/** Episodes in which two cameras show each other's view: their plugs were swapped between recordings. */
export function swappedCameras(looks: readonly CameraLook[]): Finding[] {
  const views = looks
    .filter(({ seen }) => seen.length > 0)
    .map((look) => ({ ...look, view: meanView(look) }));
  const cameras = [...new Set(views.map(({ camera }) => camera))];
  const episodes = [...new Set(views.map(({ episode }) => episode))];
  if (episodes.length < LEAST_EPISODES) return [];
  const findings: Finding[] = [];
  for (const [i, a] of cameras.entries()) {
    for (const b of cameras.slice(i + 1)) {
      for (const episode of episodes) {
        const of = (camera: string, own: boolean) =>
          views
            .filter((one) => one.camera === camera && (one.episode === episode) === own)
            .map(({ view }) => view);
        const [ownA] = of(a, true);
        const [ownB] = of(b, true);
        const [usualA, usualB] = [meanOf(of(a, false)), meanOf(of(b, false))];
        if (!ownA || !ownB || distance(usualA, usualB) < DIFFERENT_LEVELS) continue;
        const straight = distance(ownA, usualA) + distance(ownB, usualB);
        const crossed = distance(ownA, usualB) + distance(ownB, usualA);
        if (crossed > SWAPPED_RATIO * straight) continue;
        findings.push({
          id: 'swapped-cameras',
          severity: 'warning',
          episode,
          camera: a,
          message: `Cameras "${a}" and "${b}" seem swapped: each shows what the other one shows in the other episodes.`,
          hint: 'Look at its pictures. If they are swapped, leave the episode out.',
        });
      }
    }
  }
  return findings;
}

function meanView({ seen }: CameraLook): Float64Array {
  return meanOf(seen.map(({ cells }) => cells));
}

function meanOf(all: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(CELLS * CELLS);
  for (const cells of all) for (const [i, value] of cells.entries()) sum[i]! += value / all.length;
  return sum;
}

/** Mean absolute difference of cells, of 255. */
function distance(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
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
