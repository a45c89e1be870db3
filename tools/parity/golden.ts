/** A golden case as files: works over a folder (Node) and over fetch (browser). */
import type { CheckpointFolder } from '../../src/model/weights/checkpoint.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import type { TensorFile } from '../../src/model/weights/tensor-file.ts';

/** A `CheckpointFolder` with a name, so that a case opens as the checkpoint it is. */
export interface CaseFiles extends CheckpointFolder {
  readonly name: string;
}

export interface GoldenMeta {
  prompt: string;
  unnorm_key: string;
  center_crop: boolean;
  platform: string;
  spec: { n_img: number; prompt: string; mode?: string; lr?: number };
  constants: {
    NUM_ACTIONS_CHUNK: number;
    ACTION_DIM: number;
    PROPRIO_DIM: number | null;
    NORMALIZATION: 'bounds' | 'bounds_q99';
    /** Also given where the policy appends none. */
    EMPTY_TOKEN_ID: number;
    STOP_INDEX: number;
    PLACEHOLDER_TOKEN_ID: number | null;
    BASE_VOCAB: number;
    small_vocab_patched: boolean;
    /** VLA-Adapter's head. */
    num_task_tokens?: number;
  };
}

async function readFile(files: CaseFiles, name: string): Promise<Uint8Array> {
  const file = await files.open(name);
  return file.slice(0, file.byteLength);
}

export async function readJson<T>(files: CaseFiles, name: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await readFile(files, name))) as T;
}

/** The tensors of one golden file, as plain numbers whatever their dtype. */
export interface GoldenTensors {
  readonly names: readonly string[];
  has(name: string): boolean;
  shape(name: string): readonly number[];
  size(name: string): number;
  numbers(name: string): Promise<ArrayLike<number> & Iterable<number>>;
}

export async function openTensors(files: CaseFiles, name: string): Promise<GoldenTensors> {
  const file: TensorFile = await openSafetensors(await files.open(name));
  const shape = (tensor: string) => {
    const entry = file.entries.get(tensor);
    if (!entry) throw new Error(`${name} has no "${tensor}".`);
    return entry.shape;
  };
  return {
    names: [...file.entries.keys()],
    has: (tensor) => file.entries.has(tensor),
    shape,
    size: (tensor) => shape(tensor).reduce((product, dim) => product * dim, 1),
    numbers: (tensor) => file.readNumbers(tensor),
  };
}
