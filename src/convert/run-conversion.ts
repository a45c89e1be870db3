/** Streams a checkpoint into a package: read, check, encode and write overlap; memory does not grow with the checkpoint. */
import { FORMAT_VERSION, parseManifest, type Manifest, type PackageFile } from '../model/weights/manifest.ts';
import { sha256Hex } from '../base/sha256.ts';
import { Conversion } from './conversion.ts';
import type { Encoders } from './encoders.ts';
import { PackageFiles } from './package-files.ts';
import type { ConversionPlan } from './plan.ts';
import type { PackageTarget } from './target.ts';
import type { HashState } from './whole-file-hash.ts';

/** How far a conversion has come: everything before that stretch is on disk. */
export interface KeptProgress {
  readonly stretches: number;
  /** Of the file that stretch lies in. */
  readonly hash: HashState | null;
}

/** Where a conversion writes down how far it has come, to go on there. */
export interface ProgressJournal {
  /** Null where nothing was written down, or what was cannot be read. */
  read(): Promise<KeptProgress | null>;
  /** Called after the files are flushed. */
  keep(progress: KeptProgress): void | Promise<void>;
}

export interface ConversionProgress {
  /** Bytes of the checkpoint that are converted, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Of these, what another start goes on from. */
  readonly kept: number;
  /** The tensor that was converted last. */
  readonly name: string;
}

export interface RunOptions {
  /** Default: this thread. */
  readonly encoders?: Encoders;
  readonly journal?: ProgressJournal;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ConversionProgress) => void;
  /** Progress is written down after so many bytes of the checkpoint, and at each file's end. */
  readonly keepBytes?: number;
}

/**
 * Writes all tensors, tokenizer.json and, last, manifest.json: a folder without one is an unfinished package. What was written stays when it
 * fails; with a journal, the next call goes on from there.
 *
 * @throws ModelError `cancelled` after the signal, `hash-mismatch`, `bad-file`, `download-failed`, `storage-full`
 */
export async function runConversion(
  plan: ConversionPlan,
  target: PackageTarget,
  options: RunOptions = {},
): Promise<Manifest> {
  const files = new PackageFiles(target, plan.layout);
  try {
    const hashes = await new Conversion(plan, files, options).run();
    const shards = plan.layout.shards.map((shard, i): PackageFile => ({ ...shard, sha256: hashes[i]! }));
    const manifest: Manifest = {
      formatVersion: FORMAT_VERSION,
      ...plan.description,
      parameters: plan.layout.parameters,
      tokenizer: await writeWhole(target, 'tokenizer.json', plan.tokenizer),
      shards,
      tensors: plan.layout.tensors,
    };
    // What cannot be read must not be written: its readers check the same way.
    const text = JSON.stringify(manifest);
    const checked = parseManifest(text);
    await writeWhole(target, 'manifest.json', new TextEncoder().encode(text));
    return checked;
  } finally {
    await files.close();
  }
}

async function writeWhole(
  target: PackageTarget,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<PackageFile> {
  const file = await target.open(path, bytes.byteLength);
  try {
    await file.write(bytes, 0);
    await file.flush();
  } finally {
    await file.close();
  }
  return { path, byteLength: bytes.byteLength, sha256: await sha256Hex(bytes) };
}
