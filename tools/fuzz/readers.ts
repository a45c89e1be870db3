/** What else than datasets comes from strangers: an entry for each reader, with something small that it reads. */
import { readFileSync } from 'node:fs';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { zipFolder } from '../../src/io/zip-folder.ts';
import { ModelError } from '../../src/base/errors.ts';
import { parseAdapterConfig } from '../../src/model/finetune/adapter-config.ts';
import { parsePolicyConfig, parseRobotProfile } from '../../src/model/policy/config.ts';
import { parseStatistics } from '../../src/model/policy/statistics-file.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { DuplicateKeyError, parseStrictJson } from '../../src/base/strict-json.ts';
import { parseManifest } from '../../src/model/weights/manifest.ts';
import { openSafetensors } from '../../src/model/weights/safetensors.ts';
import { openTorchArchive } from '../../src/model/weights/torch-archive.ts';
import { checkAdapterFile } from '../../src/share/adapter-file.ts';
import { decodeShare, encodeShare, parseShareManifest } from '../../src/share/share-manifest.ts';

export interface FuzzedReader {
  /** A file's name decides how it is damaged: `.json` as JSON too. */
  readonly name: string;
  load(): Promise<Uint8Array<ArrayBuffer>>;
  /** Gives what was understood, whose numbers have to be finite. */
  read(bytes: Uint8Array<ArrayBuffer>): Promise<unknown>;
}

const GOLDEN = 'tests/golden/siglip-only-l1';
const TINY = 'tests/packages/tiny';

const file = (path: string) => () => Promise.resolve(new Uint8Array(readFileSync(path)));
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const manifestOf = () => JSON.parse(readFileSync(`${TINY}/manifest.json`, 'utf8')) as { config: object };

/** As readers of JSON get it: what is no JSON is told in a typed way by their callers. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(new TextDecoder().decode(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof DuplicateKeyError)) throw error;
    throw new ModelError('bad-file', error.message);
  }
}

const SHARE = {
  formatVersion: 1,
  title: 'Lift the can',
  author: 'Ada',
  note: 'Twenty demonstrations.',
  createdAt: '2026-01-02T03:04:05.678Z',
  policy: { name: 'practice', sha256: 'a'.repeat(64), url: 'https://policy.example/manifest.json' },
  adapter: { sha256: 'b'.repeat(64), bytes: 1000, url: null },
  scene: { view: 'table', task: 'can', seed: 7, instruction: 'lift', execute: 4, ensemble: false },
  training: null,
  success: [{ task: 'can', heldOut: false, episodes: 25, before: 0, after: 21 }],
};

const byJson = (name: string, load: () => unknown, read: (value: unknown) => unknown): FuzzedReader => ({
  name: `${name}.json`,
  load: () => Promise.resolve(json(load())),
  read: (bytes) => Promise.resolve(read(parsed(bytes))),
});

export const READERS: Readonly<Record<string, FuzzedReader>> = {
  'share-manifest': byJson('share', () => SHARE, parseShareManifest),
  'share-link': {
    name: 'link.txt',
    load: async () => new TextEncoder().encode(await encodeShare(parseShareManifest(SHARE))),
    read: (bytes) => decodeShare(new TextDecoder().decode(bytes)),
  },
  'adapter-file': {
    name: 'adapter.safetensors',
    load: file(`${GOLDEN}/lora_adapter/adapter_model.safetensors`),
    read: (bytes) =>
      checkAdapterFile({
        size: bytes.length,
        read: (at, length) => Promise.resolve(bytes.slice(at, at + length)),
      }),
  },
  safetensors: {
    name: 'model.safetensors',
    load: file(`${GOLDEN}/lora_adapter/adapter_model.safetensors`),
    read: async (bytes) => void (await openSafetensors(memoryReader(bytes, 'model.safetensors'))),
  },
  'torch-archive': {
    name: 'head.pt',
    load: file(`${GOLDEN}/bf16_sample/action_head--50000_checkpoint.pt`),
    read: async (bytes) => void (await openTorchArchive(memoryReader(bytes, 'head.pt'))),
  },
  'adapter-config': byJson(
    'adapter_config',
    () => parsed(readFileSync(`${GOLDEN}/lora_adapter/adapter_config.json`)),
    (value) => parseAdapterConfig(object(value)),
  ),
  statistics: byJson(
    'dataset_statistics',
    () => parsed(readFileSync(`${GOLDEN}/dataset_statistics.json`)),
    (value) => parseStatistics(value, 'dataset_statistics.json', { actions: null, proprio: null }),
  ),
  'policy-config': byJson('config', () => manifestOf().config, parsePolicyConfig),
  'robot-profile': byJson(
    'robot_profile',
    () => parsePolicyConfig(manifestOf().config).profile,
    parseRobotProfile,
  ),
  'package-manifest': {
    name: 'manifest.json',
    load: file(`${TINY}/manifest.json`),
    read: (bytes) => Promise.resolve(parseManifest(new TextDecoder().decode(bytes))),
  },
  tokenizer: {
    name: 'tokenizer.json',
    load: file(`${TINY}/tokenizer.json`),
    read: async (bytes) => void (await createTokenizer(parsed(bytes))),
  },
  zip: {
    name: 'dataset.zip',
    load: file('tests/io/fixtures/dataset-zip-finder.zip'),
    read: async (bytes) => void (await zipFolder('dataset.zip', memoryReader(bytes, 'dataset.zip'))),
  },
};

function object(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ModelError('bad-file', 'This is not a JSON object.');
}
