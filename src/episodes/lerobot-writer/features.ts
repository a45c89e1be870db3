/** The features of a dataset that is written: what info.json, the tables and the `datasets` library call them. */
import { ModelError } from '../../base/errors.ts';
import type { CameraInfo, Dataset } from '../dataset.ts';
import type { LeRobotOptions } from './options.ts';
import type { Column } from './parquet-file.ts';

export const ACTION = 'action';
export const STATE = 'observation.state';

/** A camera and the feature that it is written as. */
export interface WrittenCamera extends CameraInfo {
  readonly feature: string;
}

/** Features that every table has, in lerobot's order. */
export const COUNTERS = {
  timestamp: 'float32',
  frame_index: 'int64',
  episode_index: 'int64',
  index: 'int64',
  task_index: 'int64',
} as const;

/**
 * `observation.images.<name>` for each camera, but for those that are named like a LeRobot feature already. lerobot allows no slash.
 * @throws ModelError `bad-input` where two cameras would be one feature
 */
export function writtenCameras(dataset: Dataset): WrittenCamera[] {
  const taken = new Set([ACTION, STATE, ...Object.keys(COUNTERS)]);
  return dataset.cameras.map((camera) => {
    const name = camera.name.replace(/[/\\\s]+/g, '_');
    const feature = name.startsWith('observation.') ? name : `observation.images.${name}`;
    if (taken.has(feature)) {
      throw new ModelError(
        'bad-input',
        `Camera "${camera.name}" would be written as "${feature}", which another feature is named already.`,
        'Choose other cameras.',
      );
    }
    taken.add(feature);
    return { ...camera, feature };
  });
}

const vectorColumn = (name: string, size: number): Column => ({
  name,
  type: size === 1 ? 'float32' : { list: 'float32', depth: 1, length: size },
});

/** The table's columns. A vector of one value is a plain number in LeRobot. */
export function tableColumns(
  { actionNames, stateNames }: Dataset,
  images: readonly WrittenCamera[],
): Column[] {
  return [
    vectorColumn(ACTION, actionNames.length),
    ...(stateNames ? [vectorColumn(STATE, stateNames.length)] : []),
    ...images.map(({ feature }): Column => ({ name: feature, type: 'image' })),
    ...Object.entries(COUNTERS).map(([name, type]) => ({ name, type })),
  ];
}

/**
 * What the `datasets` library wants to know of the table: without it lists have no fixed length, and images are structs of bytes.
 * datasets 4 (lerobot 0.4) calls a list `List`; earlier ones (lerobot 0.3) know `Sequence` only.
 */
export function huggingFaceMetadata(columns: readonly Column[], version: LeRobotOptions['version']): string {
  const features = columns.map(({ name, type }) => {
    if (type === 'image') return [name, { _type: 'Image' }];
    if (typeof type === 'string') return [name, { dtype: type, _type: 'Value' }];
    const feature = { dtype: type.list, _type: 'Value' };
    return [
      name,
      { feature, length: type.length ?? -1, _type: version === 'v2.1' ? 'Sequence' : 'List' },
    ] as const;
  });
  return JSON.stringify({ info: { features: Object.fromEntries(features) } });
}

const vectorFeature = (names: readonly string[]) => ({ dtype: 'float32', shape: [names.length], names });

/** info.json's `features`. @param video what is known of the videos, where there are any */
export function infoFeatures(
  { actionNames, stateNames }: Dataset,
  cameras: readonly WrittenCamera[],
  video: { readonly fps: number; readonly codec: string } | null,
): Record<string, unknown> {
  const camera = ({ width, height }: WrittenCamera) => ({
    dtype: video ? 'video' : 'image',
    shape: [height, width, 3],
    names: ['height', 'width', 'channels'],
    ...(video
      ? {
          info: {
            'video.height': height,
            'video.width': width,
            'video.codec': video.codec,
            'video.pix_fmt': 'yuv420p',
            'video.is_depth_map': false,
            'video.fps': video.fps,
            'video.channels': 3,
            has_audio: false,
          },
        }
      : {}),
  });
  return {
    [ACTION]: vectorFeature(actionNames),
    ...(stateNames ? { [STATE]: vectorFeature(stateNames) } : {}),
    ...Object.fromEntries(cameras.map((one) => [one.feature, camera(one)])),
    ...Object.fromEntries(
      Object.entries(COUNTERS).map(([name, dtype]) => [name, { dtype, shape: [1], names: null }]),
    ),
  };
}
