import { adamwFactors, type AdamWStep } from './adamw-step.ts';
import { checkLength } from './operand-checks.ts';

/** Twin of adamw.wgsl over whole arrays; in float64, rounds once. */
export function adamw(
  parameter: Float32Array,
  gradient: Float32Array,
  m: Float32Array,
  v: Float32Array,
  options: AdamWStep<number>,
): void {
  const count = parameter.length;
  for (const array of [gradient, m, v]) checkLength(array, count, 'An array of AdamW');
  const { beta1, beta2, epsilon, clip } = options;
  const { decay, stepSize, rootCorrection } = adamwFactors(options);
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  for (let i = 0; i < count; i++) {
    const g = gradient[i]! * clip;
    const first = beta1 * m[i]! + rest1 * g;
    const second = beta2 * v[i]! + rest2 * g * g;
    parameter[i] =
      parameter[i]! * decay - (stepSize * first) / (Math.sqrt(second) / rootCorrection + epsilon);
    m[i] = first;
    v[i] = second;
  }
}
