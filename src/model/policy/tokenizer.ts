import { ModelError } from '../../base/errors.ts';

/** Text → token ids, with BOS in front where the tokenizer has one. */
export type Tokenize = (text: string) => number[];

/**
 * A tokenizer from the package's tokenizer.json (Hugging Face format). transformers.js is loaded when first needed.
 * @throws ModelError `bad-package` when the file is not a tokenizer.
 */
export async function createTokenizer(tokenizerJson: unknown): Promise<Tokenize> {
  const { PreTrainedTokenizer } = await import('@xenova/transformers');
  try {
    const tokenizer = new PreTrainedTokenizer(
      asInRust(tokenizerJson),
      isByteLevel(tokenizerJson)
        ? { eos_token: '<|endoftext|>', tokenizer_class: 'Qwen2Tokenizer' }
        : {
            add_bos_token: true,
            add_eos_token: false,
            bos_token: '<s>',
            eos_token: '</s>',
            legacy: true,
            tokenizer_class: 'LlamaTokenizer',
          },
    );
    return (text) => tokenizer.encode(text);
  } catch (error) {
    throw new ModelError(
      'bad-package',
      `The package's tokenizer.json cannot be read: ${String(error)}`,
      'Download it again.',
      {
        cause: error,
      },
    );
  }
}

type PreTokenizer = { readonly type?: string; readonly pretokenizers?: readonly PreTokenizer[] } | null;

/** `\w` of the tokenizers library, which is written in Rust; JavaScript's knows ASCII alone. */
const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d';
/** ASCII's marks and symbols, and whatever Unicode calls punctuation: as the tokenizers library tells them. */
const MARK = '[!-\\/:-@\\[-`{-~\\p{P}]';

/**
 * transformers.js cuts a word at its letters with an accent, and takes marks that stand together, as in "please.?", for one piece, where the
 * tokenizers library takes each for itself: what cuts is written out.
 */
function asInRust(tokenizerJson: unknown): unknown {
  const { pre_tokenizer: pre } = (tokenizerJson ?? {}) as { pre_tokenizer?: PreTokenizer };
  const written = (part: PreTokenizer): unknown => {
    if (part?.type === 'Whitespace') return split(`[${WORD}]+|[^${WORD}\\s]+`, true);
    if (part?.type === 'Punctuation') return split(MARK, false);
    return part?.pretokenizers ? { ...part, pretokenizers: part.pretokenizers.map(written) } : part;
  };
  return pre ? { ...(tokenizerJson as object), pre_tokenizer: written(pre) } : tokenizerJson;
}

/** @param invert whether the pattern is of what stays, not of where it is cut */
const split = (Regex: string, invert: boolean) => ({
  type: 'Split',
  pattern: { Regex },
  behavior: invert ? 'Removed' : 'Isolated',
  invert,
});

/** Qwen's kind, which splits text by a pattern into bytes; LLaMA's and Mistral's come from sentencepiece. */
export function isByteLevel(tokenizerJson: unknown): boolean {
  const { pre_tokenizer: pre } = (tokenizerJson ?? {}) as { pre_tokenizer?: PreTokenizer };
  return [pre, ...(pre?.pretokenizers ?? [])].some((part) => part?.type === 'ByteLevel');
}
