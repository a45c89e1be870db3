/** The tokenizer of a checkpoint: read, and held against its language model, before anything is converted. */
import { ModelError } from '../base/errors.ts';
import { backboneOf } from '../model/network/language.ts';
import type { PolicyConfig } from '../model/policy/config.ts';
import { createTokenizer, isByteLevel } from '../model/policy/tokenizer.ts';
import type { Checkpoint, CheckpointFolder } from '../model/weights/checkpoint.ts';
import { llama2TokenizerJson } from './llama2-tokenizer.ts';

const FILE = 'tokenizer.json';
/** Qwen2.5's has 7 MB. */
const MOST_BYTES = 64 * 2 ** 20;
/** Vocabulary of Llama-2, without padding. */
const LLAMA2_VOCABULARY = 32_000;
/** What Qwen2.5's prompt is made with: as text they would be other tokens. */
const QWEN_TURNS: readonly (readonly [string, number])[] = [
  ['<|im_start|>', 151_644],
  ['<|im_end|>', 151_645],
];
const REPLACE = `Put the ${FILE} the policy was trained with into the folder.`;

/**
 * The bytes of tokenizer.json; Llama-2's own for a folder without one, as Prismatic's are.
 * @throws ModelError `bad-file` for one that is missing, damaged or another language model's
 */
export async function tokenizerOf(
  folder: CheckpointFolder,
  checkpoint: Checkpoint,
  config: PolicyConfig,
): Promise<Uint8Array<ArrayBuffer>> {
  if (checkpoint.tokenizer === null) return llama2Tokenizer(config);
  const file = await folder.open(checkpoint.tokenizer);
  if (file.byteLength > MOST_BYTES)
    throw new ModelError(
      'bad-file',
      `${FILE} has ${file.byteLength} bytes, far more than any tokenizer.`,
      REPLACE,
    );
  const bytes = await file.slice(0, file.byteLength);
  await checkTokenizer(parse(bytes), config);
  return bytes;
}

async function llama2Tokenizer({ network: { language } }: PolicyConfig): Promise<Uint8Array<ArrayBuffer>> {
  const { kind, vocabulary } = language;
  if (kind === 'llama' && vocabulary >= LLAMA2_VOCABULARY)
    return new TextEncoder().encode(JSON.stringify(await llama2TokenizerJson()));
  const why =
    kind === 'llama' ? `a vocabulary of ${vocabulary} is not Llama-2's` : `that of ${kind} is not at hand`;
  throw new ModelError('bad-file', `The folder has no ${FILE}, and ${why}.`, REPLACE);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw new ModelError('bad-file', `${FILE} is not valid JSON.`, 'Copy or download it again.', {
      cause: error,
    });
  }
}

/** @throws ModelError `bad-file` where it is not the tokenizer that the language model's tokens are of */
export async function checkTokenizer(json: unknown, config: PolicyConfig): Promise<void> {
  const { kind, vocabulary } = config.network.language;
  const wrong = (found: string, cause?: unknown) =>
    new ModelError('bad-file', `${FILE} does not fit the language model, ${kind}: ${found}.`, REPLACE, {
      cause,
    });
  const last = highestToken(json);
  if (last === null) throw wrong('it lists no vocabulary');
  if (last >= vocabulary) throw wrong(`it has token ${last}, the model's table ends at ${vocabulary - 1}`);
  if (isByteLevel(json) !== (kind === 'qwen2'))
    throw wrong(
      isByteLevel(json) ? 'it splits text into bytes, as Qwen’s does' : 'it is not a byte-level one',
    );
  const { empty, emptyInTraining = empty } = config.tokens;
  const known = vocabularyOf(json);
  const space = known.get('▁');
  if (kind !== 'qwen2' && emptyInTraining !== null && space !== emptyInTraining)
    throw wrong(`"▁" is token ${space ?? 'nowhere'}, expected ${emptyInTraining}`);

  for (const [token, id] of kind === 'qwen2' ? QWEN_TURNS : [])
    if (known.get(token) !== id)
      throw wrong(`"${token}" is token ${known.get(token) ?? 'nowhere'}, expected ${id}`);

  let ids: number[];
  try {
    const tokenize = await createTokenizer(json);
    ids = tokenize(backboneOf(kind).prompt('Pick up 2 red cubes'));
  } catch (error) {
    throw wrong(
      `a prompt cannot be encoded with it (${error instanceof Error ? error.message : String(error)})`,
      error,
    );
  }
  const outside = ids.find((id) => !(id >= 0 && id < vocabulary));
  if (ids.length === 0 || outside !== undefined)
    throw wrong(`a prompt becomes ${ids.length} tokens, ${outside} among them`);
  const { bos } = config.tokens;
  if (bos !== null && ids[0] !== bos) throw wrong(`a prompt starts with token ${ids[0]}, expected ${bos}`);
}

interface TokenizerJson {
  readonly model?: { readonly vocab?: unknown };
  readonly added_tokens?: readonly { readonly id?: unknown; readonly content?: unknown }[];
}

function vocabularyOf(json: unknown): Map<string, number> {
  const { model, added_tokens: added = [] } = (json ?? {}) as TokenizerJson;
  const vocab = model?.vocab;
  const pairs: [string, number][] = [];
  if (typeof vocab === 'object' && vocab !== null && !Array.isArray(vocab)) {
    for (const [token, id] of Object.entries(vocab)) pairs.push([token, Number(id)]);
  }
  for (const { id, content } of added) pairs.push([String(content), Number(id)]);
  return new Map(pairs);
}

function highestToken(json: unknown): number | null {
  let highest = -1;
  for (const id of vocabularyOf(json).values()) highest = Math.max(highest, id);
  return highest < 0 || Number.isNaN(highest) ? null : highest;
}
