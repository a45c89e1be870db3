/**
 * Weights of the two antialiasing resamplers, per output position along one axis.
 */
import { ModelError } from '../../base/errors.ts';

/** For output i: input positions start[i] … start[i] + count[i] - 1, weights from i * taps. */
export interface ResampleTable<W extends Int32Array | Float32Array> {
  readonly taps: number;
  readonly start: Uint32Array<ArrayBuffer>;
  readonly count: Uint32Array<ArrayBuffer>;
  readonly weights: W;
}

export type ResampleFilter = 'bilinear' | 'bicubic' | 'lanczos';

const FILTERS: Record<ResampleFilter, { support: number; weight: (x: number) => number }> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Fraction bits of a Pillow weight: 32 less 8 for the pixel and 2 for overshoot. */
export const PILLOW_PRECISION = 22;

/**
 * Pillow's weights for `Image.resize`, as fixed-point integers (libImaging/Resample.c: precompute_coeffs and
 * normalize_coeffs_8bpc). Positions and sums are float64 there too, so the integers come out equal.
 */
export function pillowTable(
  input: number,
  output: number,
  filter: ResampleFilter,
): ResampleTable<Int32Array<ArrayBuffer>> {
  requireSize(input, output);
  const { support, weight } = FILTERS[filter];
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const taps = Math.ceil(reach) * 2 + 1;
  const table = emptyTable(output, taps, new Int32Array(output * taps));
  for (let i = 0; i < output; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(input, Math.trunc(center + reach + 0.5));
    const row = Array.from({ length: end - start }, (_, k) =>
      weight((k + start - center + 0.5) * (1 / stretch)),
    );
    const sum = row.reduce((total, w) => total + w, 0);
    for (const [k, w] of row.entries()) {
      const fixed = (sum === 0 ? w : w / sum) * 2 ** PILLOW_PRECISION;
      table.weights[i * taps + k] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    table.start[i] = start;
    table.count[i] = end - start;
  }
  return table;
}

/**
 * TensorFlow's weights for `tf.image.resize(method="lanczos3", antialias=True)`, f32
 * (core/kernels/image/scale_and_translate_op.cc, sampling_kernels.h).
 */
export function tensorflowLanczosTable(
  input: number,
  output: number,
): ResampleTable<Float32Array<ArrayBuffer>> {
  requireSize(input, output);
  const { fround } = Math;
  const inverse = fround(1 / fround(output / input));
  const stretch = Math.max(inverse, 1);
  const reach = fround(3 * stretch);
  const taps = Math.min(2 * Math.ceil(reach) + 1, input);
  const table = emptyTable(output, taps, new Float32Array(output * taps));
  for (let i = 0; i < output; i++) {
    const center = fround(fround(i + 0.5) * inverse);
    const start = clampIndex(Math.ceil(fround(fround(center - reach) - 0.5)), input);
    const end = clampIndex(Math.floor(fround(fround(center + reach) - 0.5)), input) + 1;
    const shrink = fround(1 / stretch);
    const row = Array.from({ length: end - start }, (_, k) =>
      lanczos3(Math.abs(fround(fround(start + k + 0.5 - center) * shrink))),
    );
    const sum = row.reduce((total, w) => fround(total + w), 0);
    const normalize = fround(1 / sum);
    for (const [k, w] of row.entries()) table.weights[i * taps + k] = w * normalize;
    table.start[i] = start;
    table.count[i] = end - start;
  }
  return table;
}

function emptyTable<W extends Int32Array | Float32Array>(
  output: number,
  taps: number,
  weights: W,
): ResampleTable<W> {
  return { taps, start: new Uint32Array(output), count: new Uint32Array(output), weights };
}

function requireSize(input: number, output: number): void {
  if (Number.isInteger(input) && Number.isInteger(output) && input > 0 && output > 0) return;
  throw new ModelError(
    'bad-shape',
    `Cannot resize ${input} pixels to ${output}: both must be whole and positive.`,
  );
}

/** Keys' cubic with a = -1/2. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function lanczos3(x: number): number {
  if (x > 3) return 0;
  if (x <= 1e-3) return 1;
  return Math.fround((3 * Math.sin(Math.PI * x) * Math.sin((Math.PI * x) / 3)) / (Math.PI * Math.PI * x * x));
}

function clampIndex(index: number, size: number): number {
  return Math.min(Math.max(index, 0), size - 1);
}
