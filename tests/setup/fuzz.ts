/** How often properties are tried: `npm run test:full` tries them many times oftener than `npm test`. */
const TIMES = Number(process.env['FUZZ_TIMES'] ?? 1);

/** @param most what `npm test` has time for */
export function fuzzRuns(most: number): number {
  return most * TIMES;
}
