/** Samples → the inputs of the joint graph. */
import { promptFor } from '../../src/model/policy/prompt.ts';
import { layoutSequence } from '../../src/model/policy/sequence.ts';
import { normalizeActions, normalizeTrainingProprio } from '../../src/model/policy/statistics.ts';
import type { Tokenize } from '../../src/model/policy/tokenizer.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { Random } from '../../src/base/random.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { OBJECT_NAMES, type Vector } from '../../src/practice/objects.ts';
import type { Goal } from '../../src/practice/goal.ts';
import { PUSH_LINE, spotsBy } from '../../src/practice/layout.ts';
import { ALL_INSTRUCTIONS, goalOf } from '../../src/practice/tasks.ts';
import { AUXILIARIES, UNNORM_KEY } from './practice-policy.ts';
import { ACTION_DIM, CHUNK, STATE_DIM, type PretrainSample } from './records.ts';

/** Added to attention scores of padding. */
const MASKED = -1e30;
/** Distances are told in units of this many metres. */
const UNIT = 0.1;

const JITTER = { gain: 0.12, offset: 10, noise: 4 } as const;

export interface BatchArrays {
  readonly inputs: Readonly<
    Record<string, { readonly data: Float32Array; readonly shape: readonly number[] }>
  >;
  /** Token of each text position behind BOS [B · (T − 1)]; −1 where the input is not an embedding (actions). */
  readonly textIds: Int32Array;
}

const array = (...shape: number[]) => ({
  data: new Float32Array(shape.reduce((product, dim) => product * dim, 1)),
  shape,
});

/**
 * Where the target is to end up, metres: the place itself, not the thing that the words name it by, so that the words are read.
 * @param destination where the goal's destination is, if it has one
 */
function placeAsked(goal: Goal, target: Vector, destination: Vector | null): Vector | null {
  if (goal.kind === 'push') {
    const [x, , z] = target;
    return [x, goal.side === 'left' ? -PUSH_LINE : PUSH_LINE, z];
  }
  if (goal.kind !== 'place' || !destination) return null;
  if (goal.relation === 'on' || goal.relation === 'in') return destination;
  const [x, y, z] = destination;
  return [...spotsBy(goal.relation, [x, y])[0], z];
}

/** Makes batches of one size in the same memory each time. */
export class BatchMaker {
  readonly batch: number;
  readonly tokens: number;
  readonly length: number;
  readonly arrays: BatchArrays;
  readonly #config: PolicyConfig;
  readonly #sequences: { readonly ids: readonly number[]; readonly start: number; readonly goal: Goal }[];
  readonly #noise: Float32Array;
  readonly #patches: number;

  constructor(config: PolicyConfig, tokenize: Tokenize, batch: number) {
    this.#config = config;
    this.batch = batch;
    this.#sequences = ALL_INSTRUCTIONS.map((text) => {
      const { inputIds, actions } = layoutSequence(tokenize(promptFor(text)), config);
      return { ids: inputIds, start: actions.start, goal: goalOf(text)!.goal };
    });
    this.tokens = Math.max(...this.#sequences.map(({ ids }) => ids.length));
    const { network, profile } = config;
    const vit = network.vits[0]!;
    this.#patches = (vit.imageSize / vit.patchSize) ** 2;
    const images = profile.images.length;
    this.length = 1 + images * this.#patches + 1 + this.tokens - 1;
    const { hidden } = network.language;
    const P = this.#patches;
    this.arrays = {
      inputs: {
        pixels: array(batch * images, 6, IMAGE_SIZE, IMAGE_SIZE),
        state: array(batch, STATE_DIM),
        bos: array(batch, 1, hidden),
        text: array(batch, this.tokens - 1, hidden),
        mask: array(batch, 1, this.length, this.length),
        select: array(batch, CHUNK * ACTION_DIM, this.length),
        target: array(batch, CHUNK, ACTION_DIM),
        relative: array(batch, 1, AUXILIARIES.relative),
        relativeMask: array(batch, 1, AUXILIARIES.relative),
        maps: array(batch, AUXILIARIES.maps, P),
        position: array(batch, P, 3),
        positionMask: array(batch, P, 3),
      },
      textIds: new Int32Array(batch * (this.tokens - 1)),
    };
    const random = new Random(7);
    this.#noise = Float32Array.from(
      { length: 65_536 + 3 * IMAGE_SIZE ** 2 },
      () => JITTER.noise * random.gaussian(),
    );
  }

  /**
   * @param embedding [vocabulary, hidden], as it is now
   * @param randomOf numbers for the light and noise of sample i
   */
  fill(
    samples: readonly PretrainSample[],
    embedding: Float32Array,
    randomOf: (i: number) => Random,
    { noise = true }: { noise?: boolean } = {},
  ): void {
    const { inputs, textIds } = this.arrays;
    for (const name of [
      'mask',
      'select',
      'text',
      'relative',
      'relativeMask',
      'maps',
      'position',
      'positionMask',
    ])
      inputs[name]!.data.fill(0);
    const { profile, statistics, tokens } = this.#config;
    const stats = statistics[UNNORM_KEY]!;
    const hidden = inputs['bos']!.shape[2]!;
    const before = 2 * this.#patches + 1;
    samples.forEach((sample, b) => {
      const random = randomOf(b);
      for (let image = 0; image < 2; image++) this.#pixels(sample.images, b, image, random, noise ? 1 : 0);
      inputs['state']!.data.set(normalizeTrainingProprio(sample.state, stats, profile), b * STATE_DIM);
      for (let step = 0; step < CHUNK; step++) {
        const row = sample.actions.subarray(step * ACTION_DIM, (step + 1) * ACTION_DIM);
        inputs['target']!.data.set(normalizeActions(row, stats, profile), (b * CHUNK + step) * ACTION_DIM);
      }
      const { ids, start } = this.#sequences[sample.instruction]!;
      inputs['bos']!.data.set(embedding.subarray(ids[0]! * hidden, (ids[0]! + 1) * hidden), b * hidden);
      for (let t = 1; t < this.tokens; t++) {
        const action = t >= start && t < start + CHUNK * ACTION_DIM;
        // Upstream's padding token is the first one behind the vocabulary.
        const id = t < ids.length ? ids[t]! : tokens.vocabulary;
        const at = b * (this.tokens - 1) + t - 1;
        textIds[at] = action ? -1 : id;
        if (!action)
          inputs['text']!.data.set(embedding.subarray(id * hidden, (id + 1) * hidden), at * hidden);
      }
      const end = before + ids.length;
      if (ids.length < this.tokens) {
        const { data } = inputs['mask']!;
        for (let row = 0; row < this.length; row++) {
          const from = (b * this.length + row) * this.length;
          data.fill(MASKED, from + end, from + this.length);
        }
      }
      for (let row = 0; row < CHUNK * ACTION_DIM; row++)
        inputs['select']!.data[(b * CHUNK * ACTION_DIM + row) * this.length + before + start - 1 + row] = 1;
      this.#auxiliaries(sample, b);
    });
  }

  #auxiliaries(sample: PretrainSample, b: number): void {
    const { state, objects, pixels, target, destination } = sample;
    const { inputs } = this.arrays;
    const P = this.#patches;
    const columns = Math.sqrt(P);
    const positionOf = (object: number) =>
      object < 0 ? null : (objects.subarray(3 * object, 3 * object + 3) as unknown as Vector);
    const at = positionOf(target)!;
    const place = placeAsked(this.#sequences[sample.instruction]!.goal, at, positionOf(destination));
    [at, place].forEach((point, i) => {
      if (!point) return;
      for (let axis = 0; axis < 3; axis++) {
        const to = b * AUXILIARIES.relative + 3 * i + axis;
        inputs['relative']!.data[to] = (point[axis]! - state[axis]!) / UNIT;
        inputs['relativeMask']!.data[to] = 1;
      }
    });
    const patchOf = (object: number) => {
      const cell = (pixel: number) => Math.floor((pixel / IMAGE_SIZE) * columns);
      const [column, row] = [cell(pixels[2 * object]!), cell(pixels[2 * object + 1]!)];
      return column >= 0 && column < columns && row >= 0 && row < columns ? row * columns + column : -1;
    };
    OBJECT_NAMES.forEach((_, object) => {
      const patch = Number.isNaN(pixels[2 * object]!) ? -1 : patchOf(object);
      if (patch < 0) return;
      inputs['maps']!.data[(b * AUXILIARIES.maps + object) * P + patch] = 1;
      [target, destination].forEach((wanted, i) => {
        if (wanted === object)
          inputs['maps']!.data[(b * AUXILIARIES.maps + OBJECT_NAMES.length + i) * P + patch] = 1;
      });
      for (let axis = 0; axis < 3; axis++) {
        inputs['position']!.data[(b * P + patch) * 3 + axis] = objects[3 * object + axis]! / UNIT;
        inputs['positionMask']!.data[(b * P + patch) * 3 + axis] = 1;
      }
    });
  }

  /** Light, tint and noise vary; nothing moves. */
  #pixels(images: Uint8Array, b: number, image: number, random: Random, strength: number): void {
    const size = IMAGE_SIZE * IMAGE_SIZE;
    const { data } = this.arrays.inputs['pixels']!;
    const around = (spread: number) => spread * (2 * random.uniform() - 1);
    const light = 1 + around(JITTER.gain);
    const offset = around(JITTER.offset);
    const norms = this.#config.preprocessor['tvf_normalize_params'] as { mean: number[]; std: number[] }[];
    const noise = this.#noise.subarray(random.integer(65_536));
    for (let channel = 0; channel < 3; channel++) {
      const gain = light * (1 + around(JITTER.gain / 2));
      const from = image * size * 3 + channel;
      norms.forEach(({ mean, std }, backbone) => {
        const to = ((b * 2 + image) * 6 + backbone * 3 + channel) * size;
        const scale = 1 / (255 * std[channel]!);
        const shift = mean[channel]! / std[channel]!;
        for (let p = 0; p < size; p++) {
          const value = images[from + 3 * p]! * gain + offset + strength * noise[channel * size + p]!;
          data[to + p] = (value < 0 ? 0 : value > 255 ? 255 : value) * scale - shift;
        }
      });
    }
  }
}
