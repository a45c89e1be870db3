/** GELU, erf form: x·Φ(x), in float64. erf by its series below 3 and by a continued fraction above. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

/** GELU′ = Φ(x) + x·φ(x), in float64. */
export function geluDerivative(x: number): number {
  return 0.5 * (1 + erf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/** Absolute error below 1e-14 (Abramowitz & Stegun 7.1.6 and 7.1.14). */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  const scale = (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z);
  if (z > 3) {
    let tail = z;
    for (let n = 40; n >= 1; n--) tail = z + n / 2 / tail;
    return Math.sign(x) * (1 - scale / (2 * tail));
  }
  let term = z;
  let sum = z;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * scale * sum;
}
