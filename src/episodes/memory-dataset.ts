import { ModelError } from '../base/errors.ts';
import type { CameraInfo, Dataset, FrameImage } from './dataset.ts';
import { decodeImage } from './image-decode.ts';

export interface RecordedEpisode {
  readonly instruction: string;
  /** [length · dim] */
  readonly actions: Float32Array;
  /** [length · dim]; null where none is recorded. */
  readonly state: Float32Array | null;
  /** One list of frames per camera; those in a file's form are decoded when they are asked for. */
  readonly frames: Readonly<Record<string, readonly (FrameImage | Blob)[]>>;
}

/** Episodes in memory: what a recorder makes. */
export function memoryDataset(of: {
  readonly name: string;
  readonly fps: number;
  readonly actionNames: readonly string[];
  readonly stateNames: readonly string[] | null;
  readonly cameras: readonly CameraInfo[];
  readonly episodes: readonly RecordedEpisode[];
}): Dataset {
  const { episodes, ...about } = of;
  const lengthOf = ({ actions }: RecordedEpisode) => actions.length / of.actionNames.length;
  return {
    ...about,
    format: 'recorded here',
    reading: null,
    episodes: episodes.map((episode, index) => ({
      index,
      length: lengthOf(episode),
      instruction: episode.instruction,
    })),
    open: async (index) => {
      const episode = episodes[index];
      if (!episode)
        throw new ModelError('bad-input', `There is no episode ${index}; there are ${episodes.length}.`);
      return {
        index,
        length: lengthOf(episode),
        instruction: episode.instruction,
        actions: episode.actions,
        state: episode.state,
        instructions: null,
        timestamps: null,
        frame: async (camera, step) => {
          const image = episode.frames[camera]?.[step];
          if (image instanceof Blob)
            return decodeImage(
              new Uint8Array(await image.arrayBuffer()),
              `Frame ${step} of camera "${camera}" in episode ${index}`,
            );
          if (image) return image;
          throw new ModelError('bad-input', `Episode ${index} has no frame ${step} of camera "${camera}".`);
        },
        close: () => undefined,
      };
    },
    close: async () => undefined,
  };
}
