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
      tokenizerJson,
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

/** Qwen's kind, which splits text by a pattern into bytes; LLaMA's and Mistral's come from sentencepiece. */
export function isByteLevel(tokenizerJson: unknown): boolean {
  const { pre_tokenizer: pre } = (tokenizerJson ?? {}) as {
    pre_tokenizer?: { type?: string; pretokenizers?: { type?: string }[] } | null;
  };
  return [pre, ...(pre?.pretokenizers ?? [])].some((part) => part?.type === 'ByteLevel');
}
