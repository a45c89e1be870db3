import { ModelError } from '../../base/errors.ts';

/**
 * Sinusoidal embedding of a timestep: sines of t·10000^(-i/(half - 1)), then cosines
 * (SinusoidalPositionalEncoding in openvla-oft's action_heads.py, which divides by half - 1).
 *
 * @param width even, at least 4.
 * @returns [width], f32.
 * @throws ModelError `bad-shape` for another width.
 */
export function timeEmbedding(timestep: number, width: number): Float32Array {
  if (!Number.isInteger(width) || width < 4 || width % 2 !== 0) {
    throw new ModelError(
      'bad-shape',
      `A time embedding of width ${width} was asked for; it is even and at least 4.`,
    );
  }
  const half = width / 2;
  const { fround } = Math;
  const rate = fround(Math.log(10000) / (half - 1));
  const embedding = new Float32Array(width);
  for (let i = 0; i < half; i++) {
    const angle = fround(timestep * fround(Math.exp(fround(i * -rate))));
    embedding[i] = Math.sin(angle);
    embedding[half + i] = Math.cos(angle);
  }
  return embedding;
}
