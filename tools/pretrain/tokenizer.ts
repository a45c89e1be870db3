/**
 * The practice policy's tokenizer, in the standard tokenizer.json form: a word is one token where it is known, else its letters (WordPiece).
 * Ids: 0 unknown, 1 BOS, 2 end of sequence, 3 the empty token, letters, words, then free ones up to `VOCABULARY`.
 */
import { promptFor } from '../../src/model/policy/prompt.ts';
import { ALL_INSTRUCTIONS } from '../../src/practice/tasks.ts';

/** Tokens without padding rows. The last 256 are the action bins, as upstream has it. */
export const VOCABULARY = 768;
export const ACTION_BINS = 256;
/** Rows that upstream adds behind, of which the first is the padding token. */
export const PADDING_ROWS = 64;
export const TOKENS = { bos: 1, empty: 3, placeholder: 1, stop: 2, vocabulary: VOCABULARY } as const;

const SPECIAL = ['<unk>', '<s>', '</s>', '▁'];
const LETTERS = `abcdefghijklmnopqrstuvwxyz0123456789.,:;?!'"-()`.split('');
/** What visitors may well say; untrained, but one token each, so that a demonstration can give them a meaning. */
const MORE_WORDS =
  `a an and all any at away back behind below beside between block blocks bottom both box bring by can carry center close
 corner cube cup drag drawer drop edge end far find first flip from front get give go grab green grip hand here hold in inside into it
 item keep knock last leave left let lift line little lower make middle mug near next now object of off on one onto open or orange other
 out over pen pick piece place plate please point press pull purple push put raise reach red release return right roll rotate round row
 second set shove side sort spin square stack stand stop swap table take tap the them then there these thing things third this three
 throw tidy tip to toward towards touch tower turn two under up upright use wait wave white with yellow black brown pink grey bowl can
 tin cylinder ball spoon fork knife apple banana bottle toy lid pot pan`.split(/\s+/);

/** Learnt later: behind the others, so that a policy that is trained further keeps its tokens. */
const LATER_WORDS = ['before'];

export function tokenizerJson(): Record<string, unknown> {
  const words = new Set(
    [...ALL_INSTRUCTIONS.map((text) => promptFor(text)), ...MORE_WORDS].flatMap((text) =>
      [...text.toLowerCase().matchAll(/[a-z0-9]+|[^a-z0-9\s]/g)].map(([word]) => word),
    ),
  );
  const pieces = [...SPECIAL, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`)];
  const known = [...words].filter((word) => !pieces.includes(word) && !LATER_WORDS.includes(word)).toSorted();
  const all = [...pieces, ...known, ...LATER_WORDS];
  if (all.length > VOCABULARY - ACTION_BINS) {
    throw new RangeError(`${all.length} tokens; there is room for ${VOCABULARY - ACTION_BINS}.`);
  }
  const special = (id: number) => ({
    id,
    content: SPECIAL[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [0, 1, 2].map(special),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Whitespace' }, { type: 'Punctuation', behavior: 'Isolated' }],
    },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '<unk>',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 60,
      vocab: Object.fromEntries(all.map((token, id) => [token, id])),
    },
  };
}
