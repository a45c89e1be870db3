/** Samples → the tensors of one pass through the network, padded as upstream's collator pads (on the right). */
import { ModelError } from '../../base/errors.ts';
import { encodeActionTokens } from '../heads/action-tokens.ts';
import { headOf } from '../heads/index.ts';
import { prefixTokens } from '../heads/sequence-segments.ts';
import { MASKED } from '../network/decoder.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { languageMean, type Policy } from '../policy/policy.ts';
import { actionTokens, layoutSequence, type Sequence } from '../policy/sequence.ts';
import type { Tensors } from '../runtime/runtime.ts';

/** One moment of a demonstration, ready for the network. */
export interface Sample {
  /** [images · 3 · backbones · H · W], normalised. */
  readonly pixels: Float32Array;
  /** Tokens of the prompt, BOS first. */
  readonly promptIds: readonly number[];
  /** Normalised state [dim]; null where the policy takes none. */
  readonly proprio: Float32Array | null;
  /** Normalised actions [chunk · dim]. */
  readonly actions: Float32Array;
}

/** B samples on the runtime. T tokens of text, S positions in all. */
export interface MicroBatch {
  readonly size: number;
  /** S */
  readonly length: number;
  /** Whether `mask` is among the feeds. */
  readonly padded: boolean;
  /**
   * What `trainingSegments` read, as far as the policy has it: `pixels` [B · images, 3 · backbones, H, W]; `state` [B, dim]; with FiLM `language` [B, hidden]; `bos`
   * [B, 1, hidden]; `text` [B, T − 1, hidden], zeros at the actions unless the policy generates them; `mask` [B, 1, S, S]; `select` [B, rows, S], ones at the positions whose
   * hidden states predict the actions (and, as tokens, the stop token); `place` [B, S, actions or queries], ones at those.
   */
  readonly feeds: Tensors;
  /** Normalised actions [B · chunk · dim]. */
  readonly actions: Float32Array;
  dispose(): void;
}

/**
 * @param tokens length to pad to, for graphs of one shape; default and least: the longest sample
 * @throws ModelError `bad-shape` where a sample does not fit the policy
 */
export function microBatch(policy: Policy, samples: readonly Sample[], tokens = 0): MicroBatch {
  const { config, runtime } = policy;
  const { hidden } = config.network.language;
  const size = samples.length;
  samples.forEach((sample) => checkSample(sample, config));
  const sequences = samples.map((sample) => trainingSequence(sample, config));
  const longest = Math.max(...sequences.map(({ inputIds }) => inputIds.length));
  const length = Math.max(longest, tokens);
  const film = config.network.vits.some((vit) => vit.film);
  const head = headOf(config);
  const prefix = prefixTokens(config);
  const positions = prefix + length;
  const count = actionTokens(config);
  const rows = head.trainedRows(config);

  const bos = new Float32Array(size * hidden);
  const text = new Float32Array(size * (length - 1) * hidden);
  const language = new Float32Array(film ? size * hidden : 0);
  const select = new Float32Array(size * rows * positions);
  const place = new Float32Array(head.placed ? size * positions * count : 0);
  sequences.forEach((sequence, b) => {
    const embedded = embed(policy, sequence, length);
    bos.set(embedded.subarray(0, hidden), b * hidden);
    text.set(embedded.subarray(hidden), b * (length - 1) * hidden);
    // Upstream's mean counts the padding of its own batch, not of ours.
    if (film)
      language.set(
        languageMean(embedded.subarray(0, longest * hidden), hidden, sequence.actions),
        b * hidden,
      );
    const first = prefix + sequence.actions.start;
    for (let row = 0; row < rows; row++) select[(b * rows + row) * positions + first - 1 + row] = 1;
    if (place.length > 0) for (let i = 0; i < count; i++) place[(b * positions + first + i) * count + i] = 1;
  });

  const { imageSize } = config.network.vits[0]!;
  const images = config.profile.images.length;
  // On the right of a causal sequence nothing that is read looks at the padding.
  const bidirectional = config.network.language.attention === 'bidirectional';
  const padded = bidirectional && sequences.some(({ inputIds }) => inputIds.length < length);
  const state = config.profile.state?.length ?? 0;
  const feeds: Tensors = {};
  const feed = (name: string, data: Float32Array, shape: number[]) =>
    (feeds[name] = runtime.upload(data, shape));
  feed('pixels', joined(samples.map(({ pixels }) => pixels)), [
    size * images,
    3 * config.network.vits.length,
    imageSize,
    imageSize,
  ]);
  if (state > 0) feed('state', joined(samples.map(({ proprio }) => proprio!)), [size, state]);
  if (film) feed('language', language, [size, hidden]);
  feed('bos', bos, [size, 1, hidden]);
  feed('text', text, [size, length - 1, hidden]);
  if (padded) feed('mask', paddingMask(sequences, prefix, length), [size, 1, positions, positions]);
  feed('select', select, [size, rows, positions]);
  if (head.placed) feed('place', place, [size, positions, count]);
  return {
    size,
    length: positions,
    padded,
    feeds,
    actions: joined(samples.map(({ actions }) => actions)),
    dispose: () => {
      for (const tensor of Object.values(feeds)) tensor.dispose();
    },
  };
}

/** With a generating policy the actions themselves stand where others have placeholders: teacher forcing. */
function trainingSequence({ promptIds, actions }: Sample, config: PolicyConfig): Sequence {
  const sequence = layoutSequence(promptIds, config, 'training');
  if (!headOf(config).generates) return sequence;
  const { start, end } = sequence.actions;
  const ids = encodeActionTokens(actions, config.tokens.vocabulary, config.actionBins);
  const { inputIds } = sequence;
  return { ...sequence, inputIds: [...inputIds.slice(0, start), ...ids, ...inputIds.slice(end)] };
}

function embed(policy: Policy, { inputIds, actions }: Sequence, length: number): Float32Array {
  const { tokens, network } = policy.config;
  const { hidden } = network.language;
  // Upstream's padding token is the first one added to the vocabulary.
  const padding = Array.from({ length: length - inputIds.length }, () => tokens.vocabulary);
  const rows = policy.embedding.rows([...inputIds, ...padding]);
  if (!headOf(policy.config).generates) rows.fill(0, actions.start * hidden, actions.end * hidden);
  return rows;
}

function paddingMask(sequences: readonly Sequence[], prefix: number, length: number): Float32Array {
  const positions = prefix + length;
  const mask = new Float32Array(sequences.length * positions * positions);
  sequences.forEach(({ inputIds }, b) => {
    for (let row = 0; row < positions; row++) {
      const start = (b * positions + row) * positions;
      mask.fill(MASKED, start + prefix + inputIds.length, start + positions);
    }
  });
  return mask;
}

function checkSample(sample: Sample, config: PolicyConfig): void {
  const { profile, network } = config;
  const side = network.vits[0]!.imageSize;
  const wanted = {
    pixels: profile.images.length * 3 * network.vits.length * side * side,
    actions: profile.chunkSize * profile.actions.length,
    proprio: profile.state?.length ?? 0,
  };
  for (const [name, count] of Object.entries(wanted)) {
    const found = sample[name as keyof typeof wanted]?.length ?? 0;
    if (found === count || (name === 'proprio' && count === 0)) continue;
    throw new ModelError(
      'bad-shape',
      `A training sample has ${found} ${name} values, the policy takes ${count}.`,
    );
  }
}

export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
