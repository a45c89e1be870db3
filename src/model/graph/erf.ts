/**
 * The error function in float64, absolute error below 1e-15.
 *
 * Maclaurin series for |x| < 3, continued fraction (Lentz) beyond: Abramowitz & Stegun 7.1.5 and 7.1.14.
 */
export function erf(x: number): number {
  const z = Math.abs(x);
  const value = z < 3 ? series(z) : 1 - complement(z);
  return x < 0 ? -value : value;
}

function series(z: number): number {
  let term = z;
  let sum = z;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 200; n++) {
    term *= (-z * z) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function complement(z: number): number {
  if (z > 27) return 0;
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (z + fraction);
  return Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction));
}
