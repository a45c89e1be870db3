/** manifest.json of a policy package: what is in it, where, and under which hash. */
import * as v from 'valibot';
import { ModelError } from '../../base/errors.ts';
import { encodedParts, type Encoding } from './encoding.ts';

/** Written. Version 1, which knew LLaMA only, is still read. */
export const FORMAT_VERSION = 2;
const READ_VERSIONS = [1, FORMAT_VERSION] as const;
/** Data and scales of every tensor start at a multiple of this many bytes, counted over all shards. */
export const ALIGNMENT = 256;
export const MAX_SHARD_BYTES = 256 * 2 ** 20;
export const MAX_MANIFEST_BYTES = 64 * 2 ** 20;
/** No package is larger: refuses absurd claims before anything is fetched. */
const MAX_TOTAL_BYTES = 2 ** 40;

export interface PackageFile {
  /** Relative to the manifest; one plain file name. */
  readonly path: string;
  readonly byteLength: number;
  /** Hex. */
  readonly sha256: string;
}

export interface PackageTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: Encoding;
  /** Where its values start, in the shards laid end to end. */
  readonly offset: number;
  /** Where the scales of q8 and q4 start. */
  readonly scalesOffset?: number | undefined;
  /** True where few different scales are to be expected, as it was quantised from bfloat16; a GPU then holds them in half the bytes. */
  readonly fewScales?: boolean | undefined;
}

export interface Manifest {
  readonly formatVersion: (typeof READ_VERSIONS)[number];
  readonly name: string;
  readonly description: string;
  /** Where it came from, for people. */
  readonly source: string;
  /** The policy's configuration; checked by the policy, not here. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: number;
  readonly tokenizer: PackageFile;
  readonly shards: readonly PackageFile[];
  readonly tensors: readonly PackageTensor[];
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const file = v.object({
  path: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/, 'not a plain file name')),
  byteLength: v.pipe(size, v.minValue(1), v.maxValue(MAX_SHARD_BYTES)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'no SHA-256 in hex')),
});
const manifestSchema = v.object({
  formatVersion: v.picklist(READ_VERSIONS),
  name: v.pipe(v.string(), v.maxLength(200)),
  description: v.pipe(v.string(), v.maxLength(10_000)),
  source: v.pipe(v.string(), v.maxLength(10_000)),
  config: v.custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'no object',
  ),
  parameters: size,
  tokenizer: file,
  shards: v.pipe(v.array(file), v.minLength(1), v.maxLength(4096)),
  tensors: v.pipe(
    v.array(
      v.object({
        name: v.pipe(v.string(), v.minLength(1), v.maxLength(500)),
        shape: v.pipe(v.array(v.pipe(size, v.minValue(1))), v.maxLength(8)),
        encoding: v.picklist(['f32', 'f16', 'q8', 'q4']),
        offset: size,
        scalesOffset: v.optional(size),
        fewScales: v.optional(v.boolean()),
      }),
    ),
    v.minLength(1),
    v.maxLength(100_000),
  ),
});

/**
 * Checks a manifest completely before anything is allocated or fetched by it.
 * @throws ModelError `package-version` for another format version, `bad-package` naming what is wrong
 */
export function parseManifest(text: string): Manifest {
  const json = parseJson(text);
  const version = (json as { formatVersion?: unknown } | null)?.formatVersion;
  if (typeof version === 'number' && !READ_VERSIONS.some((known) => known === version)) {
    throw new ModelError(
      'package-version',
      `The package has format version ${version}; this page reads versions ${READ_VERSIONS.join(' and ')}.`,
      version > FORMAT_VERSION
        ? 'Reload the page to get its newest version.'
        : 'Convert the checkpoint again.',
    );
  }
  const parsed = v.safeParse(manifestSchema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw damaged(`${v.getDotPath(issue) ?? 'it'}: ${issue.message}`);
  }
  checkFiles(parsed.output);
  checkTensors(parsed.output);
  return parsed.output;
}

/** Bytes of all shards together. */
export function shardBytes(manifest: Manifest): number {
  return manifest.shards.reduce((sum, shard) => sum + shard.byteLength, 0);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(`it is no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}

function checkFiles(manifest: Manifest): void {
  // The manifest itself lies beside them.
  const paths = new Set(['manifest.json']);
  for (const { path } of [manifest.tokenizer, ...manifest.shards]) {
    if (paths.has(path)) throw damaged(`the file ${path} is listed twice`);
    paths.add(path);
  }
  if (shardBytes(manifest) > MAX_TOTAL_BYTES)
    throw damaged(`its shards add up to ${shardBytes(manifest)} bytes`);
}

function checkTensors(manifest: Manifest): void {
  const total = shardBytes(manifest);
  const names = new Set<string>();
  const spans: { name: string; start: number; end: number }[] = [];
  for (const { name, shape, encoding, offset, scalesOffset } of manifest.tensors) {
    if (names.has(name)) throw damaged(`the tensor "${name}" is listed twice`);
    names.add(name);
    const quantised = encoding === 'q8' || encoding === 'q4';
    if (quantised && shape.length !== 2) throw damaged(`"${name}" is ${encoding} but no matrix`);
    if (quantised !== (scalesOffset !== undefined))
      throw damaged(`"${name}" is ${encoding} and has ${quantised ? 'no' : ''} scales`);
    const parts = encodedParts(shape, encoding);
    spans.push({ name, start: offset, end: offset + parts.data });
    if (scalesOffset !== undefined)
      spans.push({ name, start: scalesOffset, end: scalesOffset + parts.scales });
  }
  let end = 0;
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    if (span.start % ALIGNMENT !== 0)
      throw damaged(`"${span.name}" starts at byte ${span.start}, no multiple of ${ALIGNMENT}`);
    if (span.start < end) throw damaged(`"${span.name}" overlaps the tensor before it`);
    if (!(span.end <= total)) throw damaged(`"${span.name}" ends at byte ${span.end} of ${total}`);
    end = span.end;
  }
}

function damaged(what: string): ModelError {
  return new ModelError(
    'bad-package',
    `The package's manifest is wrong: ${what}.`,
    'Download the package again, or convert the checkpoint again.',
  );
}
