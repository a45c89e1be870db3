/** What is asked of a dataset that is to be written, and what is said about it. */
import { ModelError } from '../../base/errors.ts';
import type { Dataset, Episode, FrameImage } from '../dataset.ts';
import type { WrittenCamera } from './features.ts';

/** What is other than it was stored: features that have no place in a `Dataset` and are missing afterwards, numbers that were standardised. */
export function saidOf({ reading, cameras }: Dataset): string[] {
  if (!reading) return [];
  const { action, state, cameras: mapped } = reading.mapping;
  const kept = new Set([
    action,
    ...state,
    ...mapped,
    ...cameras.map(({ name }) => name),
    'timestamp',
    'frame_index',
    'episode_index',
    'index',
    'task_index',
    // Every step's task is written.
    'language_instruction',
  ]);
  const lost = reading.features.map(({ name }) => name).filter((name) => !kept.has(name));
  const { standardisation, turned } = reading;
  return [
    ...(lost.length > 0
      ? [`Action, state and cameras are written; not ${lost.map((name) => `"${name}"`).join(', ')}.`]
      : []),
    ...(standardisation?.applied
      ? [
          `Actions and state are written as openvla-oft standardises ${standardisation.name}: ${standardisation.does}`,
        ]
      : []),
    ...(turned !== 0 ? [`Pictures are written turned by ${turned}°, as they are shown.`] : []),
  ];
}

export function checkVectors({ actionNames, stateNames }: Dataset, episode: Episode): void {
  const expected = [
    ['actions', episode.actions, actionNames.length],
    ['state', stateNames ? episode.state : new Float32Array(), stateNames?.length ?? 0],
  ] as const;
  for (const [what, values, size] of expected) {
    if (values?.length === episode.length * size) continue;
    throw new ModelError(
      'bad-file',
      `Episode ${episode.index} has ${values?.length ?? 'no'} values of ${what}; ${episode.length} steps of ${size} are ` +
        `${episode.length * size}.`,
      'Delete the episode, and write the others.',
    );
  }
}

export async function frameOf(episode: Episode, camera: WrittenCamera, step: number): Promise<FrameImage> {
  const image = await episode.frame(camera.name, step);
  if (image.width === camera.width && image.height === camera.height) return image;
  throw new ModelError(
    'bad-file',
    `Frame ${step} of camera "${camera.name}" in episode ${episode.index} has ${image.width}×${image.height} pixels; the others ` +
      `have ${camera.width}×${camera.height}.`,
    'A LeRobot dataset has one size for a camera. Delete the episode, and write the others.',
  );
}
