/** The same frames by the formats' own libraries, where a Python with them is there; nothing is installed here. */
import { spawnSync } from 'node:child_process';
import type { FramesRead } from './data-frames.ts';
import type { Source } from './data-sources.ts';

const SCRIPT = 'tools/bench/read_frames.py';
const MODULES: Readonly<Record<Source['kind'], readonly string[]>> = {
  video: ['av'],
  images: ['pyarrow', 'PIL', 'numpy'],
  hdf5: ['h5py', 'numpy'],
  rlds: ['tensorflow_datasets', 'tensorflow'],
};

/** Interpreters by what they read: one Python seldom has all of it. */
export type DataPython = Readonly<Record<Source['kind'], string>>;

/** BENCH_PYTHON, else `python3`; BENCH_H5PY_PYTHON and BENCH_TFDS_PYTHON where these libraries are elsewhere. */
export function dataPython(): DataPython {
  const path = process.env['BENCH_PYTHON'] ?? 'python3';
  return {
    video: path,
    images: path,
    hdf5: process.env['BENCH_H5PY_PYTHON'] ?? path,
    rlds: process.env['BENCH_TFDS_PYTHON'] ?? path,
  };
}

const found = new Map<Source['kind'], string | null>();

/** @returns what is missing, in a line; null where nothing is. TensorFlow takes seconds to tell: it is asked once. */
function missing(python: DataPython, kind: Source['kind']): string | null {
  const known = found.get(kind);
  if (known !== undefined) return known;
  const answer = lookFor(python[kind], kind);
  found.set(kind, answer);
  return answer;
}

function lookFor(path: string, kind: Source['kind']): string | null {
  const { error, status, stderr } = spawnSync(path, ['-c', `import ${MODULES[kind].join(', ')}`], {
    encoding: 'utf8',
  });
  if (error) return `${path} cannot be started (${error.message})`;
  return status === 0 ? null : (stderr.trim().split('\n').at(-1) ?? `${path} ended with ${status}`);
}

/** @throws Error with what Python wrote, when it fails */
function runScript(path: string, args: readonly string[]): string {
  const result = spawnSync(path, [SCRIPT, ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      TF_CPP_MIN_LOG_LEVEL: '3',
      CUDA_VISIBLE_DEVICES: '',
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${SCRIPT} ended with ${result.status}:\n${result.stderr}`);
  return result.stdout;
}

/** A file as LIBERO writes it. @returns null, or why there is not one */
export function makeHdf5(python: DataPython, file: string, frames: number): string | null {
  const why = missing(python, 'hdf5');
  if (why === null) runScript(python.hdf5, ['make-hdf5', file, String(frames)]);
  return why;
}

export function readInPython(
  python: DataPython,
  { kind, folder }: Source,
): FramesRead | { readonly skipped: string } {
  const why = missing(python, kind);
  if (why !== null) return { skipped: why };
  return JSON.parse(runScript(python[kind], [kind, folder]).trim().split('\n').at(-1)!) as FramesRead;
}
