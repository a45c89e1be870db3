/** Formats that hold demonstrations and are not read, with the tool that converts them. */

interface ForeignFormat {
  readonly name: string;
  readonly has: (path: string) => boolean;
  readonly hint: string;
}

const ends = (pattern: RegExp) => (path: string) => pattern.test(path);

const FOREIGN: readonly ForeignFormat[] = [
  {
    name: 'a LeRobot dataset whose meta/info.json is missing',
    has: ends(/(^|\/)(meta\/(tasks|episodes|stats)\.(jsonl|json|parquet)|data\/chunk-\d+\/[^/]+\.parquet)$/),
    hint: 'Copy the whole dataset, with its folder meta.',
  },
  {
    name: 'Zarr',
    has: ends(/(^|\/)(\.zgroup|\.zarray|\.zmetadata|zarr\.json)$|\.zarr(\.zip)?$/),
    hint: 'Convert it to LeRobot with lerobot’s example port_datasets, or UMI’s and Diffusion Policy’s zarr with any4lerobot.',
  },
  {
    name: 'MCAP',
    has: ends(/\.mcap$/),
    hint: 'Convert it to LeRobot with rosbag2lerobot or any4lerobot, or read it with the mcap package of Python.',
  },
  {
    name: 'a ROS bag',
    has: ends(/\.(bag|db3)$/),
    hint: 'Convert it to LeRobot with rosbag2lerobot; the rosbags package of Python reads both kinds.',
  },
  {
    name: 'TFRecord files without features.json and dataset_info.json',
    has: ends(/\.tfrecord(-\d+-of-\d+)?$/),
    hint: 'Choose the whole TFDS folder, with its version (1.0.0) and both files; tensorflow-datasets writes them.',
  },
  {
    name: 'TFDS metadata without dataset_info.json',
    has: ends(/(^|\/)features\.json$/),
    hint: 'Choose the whole TFDS folder, with its version (1.0.0).',
  },
  {
    name: 'NumPy arrays',
    has: ends(/\.np[yz]$/),
    hint: 'Write them as a LeRobot dataset with LeRobotDataset.create and add_frame, of the lerobot package of Python.',
  },
  {
    name: 'Python pickles, which can run any code and are not opened',
    has: ends(/\.(pkl|pickle)$/),
    hint: 'Write them as a LeRobot dataset with LeRobotDataset.create and add_frame, of the lerobot package of Python.',
  },
  {
    name: 'Parquet files of an unknown layout',
    has: ends(/\.parquet$/),
    hint: 'Choose the folder that holds meta, data and videos.',
  },
  {
    name: 'video files alone, without actions',
    has: ends(/\.(mp4|mkv|webm|avi|mov)$/i),
    hint: 'A policy learns from actions: record them too, with lerobot-record, or choose the folder above that holds meta, data and videos.',
  },
];

/** What a folder's files tell of it; null for nothing known. */
export function foreignFormat(paths: readonly string[]): { name: string; file: string; hint: string } | null {
  for (const { name, has, hint } of FOREIGN) {
    const file = paths.find(has);
    if (file !== undefined) return { name, file, hint };
  }
  return null;
}
