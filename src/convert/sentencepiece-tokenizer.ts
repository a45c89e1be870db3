/** LLaMA-2's and Mistral's kind of tokenizer, byte-pair encoding over sentencepiece's vocabulary, as a Hugging Face tokenizer.json. */

const SPECIAL = ['<unk>', '<s>', '</s>'];

/** Padding token that Prismatic adds behind the vocabulary (`<PAD>`, 32000). */
const PAD = { id: 32000, content: '<PAD>' };

/** @param merges pairs "a b" by their rank */
export function sentencepieceTokenizerJson(
  vocabById: readonly string[],
  merges: ReadonlyMap<string, number>,
): object {
  const added = [...SPECIAL.map((content, id) => ({ id, content })), PAD].map((token) => ({
    ...token,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    // The legacy sentencepiece behaviour: a space goes in front, spaces become ▁, no pre-tokenizer.
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '<s>', type_id: 1 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(vocabById.map((token, id) => [token, id])),
      merges: [...merges].toSorted((a, b) => a[1] - b[1]).map(([pair]) => pair),
    },
  };
}
