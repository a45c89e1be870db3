/** HDF5 files of demonstrations as a dataset: one file, or a folder of files of one layout. */
import type { Folder } from '../io/folder.ts';
import { subfolder } from '../io/paths.ts';
import { ModelError } from '../base/errors.ts';
import type { CameraInfo, Dataset, Episode, FrameImage, ListingProgress } from './dataset.ts';
import type { FeatureMapping, OpenOptions } from './reading.ts';
import { actionNames, stateNames } from './dimension-names.ts';
import { encodedSize } from './encoded-size.ts';
import { joined } from './feature-rows.ts';
import { rgbImage, turnedImage } from './frame-pixels.ts';
import { clipAndInvert } from './gripper.ts';
import { Hdf5File, type Hdf5Dataset } from './hdf5-file.ts';
import { byNumber, guessMapping, isCamera, isEncoded, isList, layoutOf, wrong } from './hdf5-layouts.ts';
import type { Hdf5Layout, Hdf5Recording } from './hdf5-layouts.ts';
import { decodeImage } from './image-decode.ts';

const HDF5_FILE = /\.(hdf5|h5|he5)$/i;
/** Files kept open: each has its own cache. */
const OPEN_FILES = 4;
/** Dimensions of an action or a state; more is not one. */
const MOST_VALUES = 4096;

/** The shallowest folder with HDF5 files; null where there is none, or the place cannot list its files. */
export async function findHdf5(folder: Folder): Promise<Folder | null> {
  const files = ((await folder.list()) ?? []).filter((path) => HDF5_FILE.test(path));
  if (files.length === 0) return null;
  const roots = new Set(files.map((path) => path.slice(0, path.lastIndexOf('/') + 1)));
  const least = Math.min(...[...roots].map((root) => root.split('/').length));
  const shallowest = [...roots].filter((root) => root.split('/').length === least);
  if (shallowest.length > 1) {
    throw new ModelError(
      'bad-input',
      `${folder.name} holds ${shallowest.length} folders with HDF5 files: ${shallowest.slice(0, 4).join(', ')}.`,
      'Choose one of them.',
    );
  }
  return subfolder(folder, shallowest[0]!);
}

/** @throws ModelError `bad-file`, `unsupported`, `bad-input` for a mapping that does not fit, `download-failed` */
export async function openHdf5(
  folder: Folder,
  options: OpenOptions = {},
  onProgress?: ListingProgress,
): Promise<Dataset> {
  const names = ((await folder.list()) ?? []).filter((path) => !path.includes('/') && HDF5_FILE.test(path));
  const files = new OpenFiles(folder);
  try {
    const layouts: Hdf5Layout[] = [];
    for (const name of names.toSorted(byNumber)) {
      layouts.push(await files.use(name, layoutOf));
      onProgress?.(layouts.length, names.length);
    }
    // A file of many episodes is a dataset of its own; one of ACT's is a part of its folder.
    const own = layouts.length === 1 && layouts[0]!.kind !== 'ACT/ALOHA';
    return await datasetOf(own ? names[0]!.replace(HDF5_FILE, '') : folder.name, files, layouts, options);
  } catch (error) {
    await files.close();
    throw error;
  }
}

async function datasetOf(
  name: string,
  files: OpenFiles,
  layouts: readonly Hdf5Layout[],
  options: OpenOptions,
): Promise<Dataset> {
  const layout = layouts[0]!;
  const other = layouts.find(({ kind, fps }) => kind !== layout.kind || fps !== layout.fps);
  if (other) {
    throw wrong(
      other.recordings[0]!.file,
      `it is ${described(other)}, and ${layout.recordings[0]!.file} is ${described(layout)}`,
    );
  }
  const recordings = layouts.flatMap((one) => one.recordings);
  const mapping = options.mapping ?? guessMapping(layout);
  const [first] = recordings;
  const action = vector(first!, mapping.action);
  const states = mapping.state.map((feature) => vector(first!, feature));
  recordings.forEach((recording) => requireAlike(recording, first!, mapping));
  const standard = layout.kind === 'LIBERO' && action.shape[1] === 7;
  const applied = standard && (options.standardise ?? false);
  const turned = options.turned ?? (layouts.some(({ upsideDown }) => upsideDown) ? 180 : 0);
  const cameras = await camerasOf(files, first!, mapping.cameras);
  const reader = new Hdf5Reader({ files, recordings, mapping, cameras, turned, invertGripper: applied });
  return {
    name,
    format: `HDF5 (${layout.kind} layout${layout.rateRecorded ? '' : `; no rate in the file, usual is ${layout.fps} Hz`})`,
    fps: layout.fps,
    actionNames: actionNames(mapping.action, action.shape[1]!),
    stateNames:
      states.length > 0 ? states.flatMap(({ shape }, i) => stateNames(mapping.state[i]!, shape[1]!)) : null,
    cameras,
    reading: {
      features: [...first!.features].map(([feature, { dtype, shape }]) => ({
        name: feature,
        dtype,
        shape: shape.slice(1),
      })),
      mapping,
      standardisation: standard ? { name: 'libero', applied, does: LIBERO_DOES } : null,
      turned,
    },
    episodes: recordings.map(({ length, instruction }, index) => ({ index, length, instruction })),
    open: (index) => reader.open(index),
    close: () => files.close(),
  };
}

const LIBERO_DOES =
  'The gripper of the action, recorded as −1 open and 1 closed, becomes 1 open and 0 closed: clipped to 0…1, then 1 − x.';

const described = ({ kind, fps }: Hdf5Layout) => `of the ${kind} layout at ${fps} Hz`;

function vector({ features, file, group }: Hdf5Recording, name: string): Hdf5Dataset {
  const found = features.get(name);
  const width = found?.shape[1] ?? 0;
  if (found?.shape.length === 2 && width > 0 && width <= MOST_VALUES) return found;
  throw new ModelError(
    'bad-input',
    `${file}: ${group} has no feature "${name}" of the form [steps, values]; it has ${[...features.keys()].join(', ')}.`,
    'Choose another feature.',
  );
}

/** Every episode has what is read, in the same form, for all of its steps. */
function requireAlike(recording: Hdf5Recording, first: Hdf5Recording, mapping: FeatureMapping): void {
  for (const name of [mapping.action, ...mapping.state, ...mapping.cameras]) {
    const here = recording.features.get(name);
    const there = first.features.get(name);
    const { file, group, length } = recording;
    const encoded = there && isEncoded(there);
    const same =
      here &&
      there &&
      here.dtype === there.dtype &&
      here.shape.length === there.shape.length &&
      (encoded || here.shape.slice(1).every((size, i) => size === there.shape[i + 1]));
    if (!same) {
      throw wrong(
        file,
        `${group} has ${name} of form [${here?.shape.join(', ') ?? ''}], the first episode [${there?.shape.join(', ') ?? ''}]`,
      );
    }
    if (here.shape[0] !== length)
      throw wrong(file, `${group} has ${length} actions and ${here.shape[0]} of ${name}`);
  }
}

async function camerasOf(
  files: OpenFiles,
  first: Hdf5Recording,
  names: readonly string[],
): Promise<CameraInfo[]> {
  const cameras: CameraInfo[] = [];
  for (const name of names) {
    const dataset = first.features.get(name)!;
    if (!isCamera(dataset)) {
      throw new ModelError(
        'bad-input',
        `${first.file}: "${name}" is not a camera.`,
        'Choose another feature.',
      );
    }
    if (!isEncoded(dataset)) {
      cameras.push({ name, height: dataset.shape[1]!, width: dataset.shape[2]! });
      continue;
    }
    const bytes =
      first.length > 0 ? await files.use(first.file, (file) => pictureOf(file, dataset, 0)) : null;
    const size = bytes && encodedSize(bytes);
    if (!size) throw wrong(first.file, `${dataset.path} does not hold JPEGs or PNGs`);
    cameras.push({ name, ...size });
  }
  return cameras;
}

interface Hdf5Reading {
  readonly files: OpenFiles;
  readonly recordings: readonly Hdf5Recording[];
  readonly mapping: FeatureMapping;
  readonly cameras: readonly CameraInfo[];
  readonly turned: 0 | 180;
  readonly invertGripper: boolean;
}

class Hdf5Reader {
  readonly #of: Hdf5Reading;

  constructor(of: Hdf5Reading) {
    this.#of = of;
  }

  async open(index: number): Promise<Episode> {
    const { files, recordings, mapping, invertGripper } = this.#of;
    const recording = recordings[index];
    if (!recording) {
      throw new ModelError('bad-input', `There is no episode ${index}; there are ${recordings.length}.`);
    }
    const { length, instruction } = recording;
    const parts = await files.use(recording.file, async (file) => {
      const read = (name: string) => rowsOf(file, vector(recording, name));
      const action = await read(mapping.action);
      const state: { width: number; rows: Float32Array }[] = [];
      for (const name of mapping.state) state.push(await read(name));
      return { action, state };
    });
    const { width, rows } = parts.action;
    return {
      index,
      length,
      instruction,
      actions: invertGripper ? clipAndInvert(rows, width, width - 1) : rows,
      state: parts.state.length > 0 ? joined(parts.state, length) : null,
      instructions: null,
      timestamps: null,
      frame: (camera, step) => this.#frame(recording, index, camera, step),
      close: () => undefined,
    };
  }

  async #frame(recording: Hdf5Recording, index: number, camera: string, step: number): Promise<FrameImage> {
    const { files, cameras, turned } = this.#of;
    const known = cameras.find(({ name }) => name === camera);
    const dataset = recording.features.get(camera);
    if (!known || !dataset || !(Number.isInteger(step) && step >= 0 && step < recording.length)) {
      throw new ModelError(
        'bad-input',
        `Frame ${step} of camera "${camera}" was asked for; episode ${index} has ${recording.length} steps of ` +
          `${cameras.map(({ name }) => name).join(', ')}.`,
      );
    }
    const bytes = await files.use(recording.file, (file) => pictureOf(file, dataset, step));
    // Encoded ones are taken for ordinary JPEGs, as openpi and lerobot take them. A recorder that handed RGB to OpenCV, which expects BGR,
    // swapped red and blue, and no file says that it did.
    const image = isEncoded(dataset)
      ? await decodeImage(bytes, `${camera} at step ${step} of episode ${index}`)
      : rgbImage(bytes, known.width, known.height);
    return turned === 180 ? turnedImage(image) : image;
  }
}

/** Pixels, or an encoded picture, of one step. */
async function pictureOf(
  file: Hdf5File,
  dataset: Hdf5Dataset,
  step: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (isList(dataset)) return file.element(dataset, step);
  const bytes = await file.read(dataset, step, step + 1);
  if (bytes instanceof Uint8Array) return bytes;
  throw wrong(file.name, `${dataset.path} is not of bytes`);
}

async function rowsOf(file: Hdf5File, dataset: Hdf5Dataset): Promise<{ width: number; rows: Float32Array }> {
  const values = await file.read(dataset);
  return { width: dataset.shape[1]!, rows: Float32Array.from(values as ArrayLike<number | bigint>, Number) };
}

/** Files by path; the ones used last stay open. */
class OpenFiles {
  readonly #folder: Folder;
  readonly #open = new Map<string, { file: Promise<Hdf5File>; users: number }>();
  #most = OPEN_FILES;

  constructor(folder: Folder) {
    this.#folder = folder;
  }

  async use<T>(path: string, task: (file: Hdf5File) => Promise<T>): Promise<T> {
    const known = this.#open.get(path);
    const entry = known ?? {
      file: this.#folder.open(path).then((file) => Hdf5File.open(file, path)),
      users: 0,
    };
    this.#open.delete(path);
    this.#open.set(path, entry);
    entry.users += 1;
    try {
      return await task(await entry.file);
    } catch (error) {
      // A file that could not be opened is tried again next time.
      if ((await entry.file.catch(() => null)) === null && this.#open.get(path) === entry)
        this.#open.delete(path);
      throw error;
    } finally {
      entry.users -= 1;
      await this.#dropIdle();
    }
  }

  async close(): Promise<void> {
    this.#most = 0;
    await this.#dropIdle();
  }

  async #dropIdle(): Promise<void> {
    for (const [path, entry] of this.#open) {
      if (this.#open.size <= this.#most) return;
      if (entry.users > 0) continue;
      this.#open.delete(path);
      (await entry.file.catch(() => null))?.close();
    }
  }
}
