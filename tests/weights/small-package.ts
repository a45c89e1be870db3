/** A small package in memory, and a server for it that misbehaves on demand. */
import { createHash } from 'node:crypto';
import { planPackage } from '../../src/convert/plan.ts';
import { runConversion } from '../../src/convert/run-conversion.ts';
import type { PackageTarget } from '../../src/convert/target.ts';
import { toBfloat16 } from '../../src/model/weights/half.ts';
import type { Fetch } from '../../src/model/weights/download.ts';
import type { Manifest } from '../../src/model/weights/manifest.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import type { TensorFile } from '../../src/model/weights/tensor-file.ts';
import { randomFloats } from '../setup/compare.ts';
import { concat } from './make-archive.ts';

export type Files = Map<string, Uint8Array<ArrayBuffer>>;

/** What is there of a file stays, as on a disk. */
export function memoryTarget(files: Files): PackageTarget {
  return {
    open: async (path, byteLength) => {
      const bytes = files.get(path) ?? new Uint8Array(byteLength);
      files.set(path, bytes);
      return {
        write: (part, at) => bytes.set(part, at),
        flush: () => undefined,
        sha256: async () => createHash('sha256').update(bytes).digest('hex'),
        close: () => undefined,
      };
    },
  };
}

/** Tensors of every encoding, with columns that are no multiple of the block. */
export const ENCODING_OF = { table: 'f16', matrix: 'q4', wide: 'q8', bias: 'f32', scalar: 'f32' } as const;

export async function smallTensors(): Promise<TensorFile> {
  const tensors = [
    { name: 'table', dtype: 'BF16' as const, shape: [40, 20] },
    { name: 'matrix', dtype: 'BF16' as const, shape: [30, 70] },
    { name: 'wide', dtype: 'BF16' as const, shape: [4, 100] },
    { name: 'bias', dtype: 'BF16' as const, shape: [33] },
    { name: 'scalar', dtype: 'BF16' as const, shape: [] },
  ];
  const data = tensors.map(
    ({ shape }, i) =>
      new Uint8Array(
        toBfloat16(
          randomFloats(
            shape.reduce((a, b) => a * b, 1),
            i,
          ),
        ).buffer,
      ),
  );
  return openSafetensors(memoryReader(concat(safetensorsHeader(tensors), ...data)));
}

export async function smallPackage(
  maxShardBytes = 1024,
): Promise<{ files: Files; manifest: Manifest; tensors: TensorFile }> {
  const files: Files = new Map();
  const tensors = await smallTensors();
  const plan = await planPackage(
    { tensors },
    { name: 'small', description: '', source: 'a test', config: { any: [1, 2] } },
    new TextEncoder().encode('{"a tokenizer": true}'),
    { encodingOf: (name) => ENCODING_OF[name as keyof typeof ENCODING_OF], maxShardBytes },
  );
  const manifest = await runConversion(plan, memoryTarget(files));
  return { files, manifest, tensors };
}

export interface Server {
  readonly fetch: Fetch;
  /** `path range`, in order. */
  readonly requests: string[];
  files: Files;
  ranges: boolean;
  /** Bytes after which the connection of a file's response breaks. */
  cut: Map<string, number>;
  /** Called before a request is answered. */
  before?: (path: string) => void;
}

export const PACKAGE_URL = 'https://models.test/small/manifest.json';

export function serve(files: Files): Server {
  const server: Server = {
    files,
    requests: [],
    ranges: true,
    cut: new Map(),
    fetch: async (url, init) => {
      const path = url.slice('https://models.test/small/'.length);
      const range = new Headers(init?.headers).get('range');
      server.requests.push(range ? `${path} ${range}` : path);
      server.before?.(path);
      init?.signal?.throwIfAborted();
      const bytes = server.files.get(path);
      if (!bytes) return new Response('not here', { status: 404, statusText: 'Not Found' });
      const start = server.ranges && range ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
      if (start >= bytes.length) return new Response(null, { status: 416 });
      const end = Math.max(start, Math.min(bytes.length, server.cut.get(path) ?? Infinity));
      return new Response(body(bytes.slice(start, end), end < bytes.length, init?.signal ?? null), {
        status: start > 0 ? 206 : 200,
        headers: start > 0 ? { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {},
      });
    },
  };
  return server;
}

/** In pieces of some hundred bytes; breaks at the end if the connection is to. */
function body(bytes: Uint8Array<ArrayBuffer>, breaks: boolean, signal: AbortSignal | null) {
  let at = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      if (signal?.aborted) controller.error(signal.reason);
      else if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + 300));
        at += 300;
      } else if (breaks) controller.error(new TypeError('the connection broke'));
      else controller.close();
    },
  });
}
