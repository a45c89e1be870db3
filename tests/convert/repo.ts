/** A Hub repository of a golden case, in memory. Loads nothing of the network: journeys use it, too. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import type { Files } from '../weights/small-package.ts';

export const REPO = 'moojink/tiny-libero';

let tokenizer: Promise<Uint8Array> | null = null;

/** Llama 2's `tokenizer.json`, 32,000 entries written once. */
function tokenizerBytes(): Promise<Uint8Array> {
  tokenizer ??= llama2TokenizerJson().then((json) => new TextEncoder().encode(JSON.stringify(json)));
  return tokenizer;
}

/** What a Hub repository of a golden case holds: upstream's files, and none of the reference data. */
export async function repoFiles(of = 'libero-l1'): Promise<Files> {
  const folder = join('tests/golden', of);
  const files: Files = new Map();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!statSync(path).isFile() || /^(io|merged|merged_io|train.*|meta)\.|^generation/.test(name)) continue;
    files.set(name, new Uint8Array(readFileSync(path)));
  }
  files.set('tokenizer.json', (await tokenizerBytes()) as Uint8Array<ArrayBuffer>);
  return files;
}

/** The same checkpoint with its model in two shards, as large ones are saved. */
export async function inTwoShards(files: Files): Promise<Files> {
  const model = await openSafetensors(memoryReader(files.get('model.safetensors')!));
  const all = [...model.entries].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const weightMap: Record<string, string> = {};
  const sharded: Files = new Map([...files].filter(([path]) => path !== 'model.safetensors'));
  for (const [i, tensors] of [all.slice(0, all.length / 2), all.slice(all.length / 2)].entries()) {
    const path = `model-0000${i + 1}-of-00002.safetensors`;
    const parts = [safetensorsHeader(tensors)];
    for (const { name } of tensors) {
      weightMap[name] = path;
      parts.push(await model.readRaw(name));
    }
    sharded.set(path, new Uint8Array(Buffer.concat(parts)));
  }
  const index = { metadata: {}, weight_map: weightMap };
  sharded.set('model.safetensors.index.json', new TextEncoder().encode(JSON.stringify(index)));
  return sharded;
}
