/** How many tests a step ran, from the report that it left. */
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {string[]} skipped what was skipped, by name
 */

/**
 * @param {import('./steps.mjs').Step} step
 * @param {boolean} good whether its command ended well
 * @param {string} output the end of what it printed
 * @returns {Counts} a step that ended badly has at least one failure
 */
export function countsOf(step, good, output) {
  const counts = read(step, good, output);
  return good || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** @returns {Counts} */
function read(
  /** @type {import('./steps.mjs').Step} */ { counts, name },
  /** @type {boolean} */ good,
  /** @type {string} */ output,
) {
  if (!counts) {
    const skipped = good ? /^skipped: (.*)$/m.exec(output) : null;
    if (skipped) return { passed: 0, failed: 0, skipped: [`${name}: ${skipped[1]}`] };
    return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: [] };
  }
  let report;
  try {
    report = JSON.parse(readFileSync(counts.file, 'utf8'));
  } catch {
    if (good) console.error(`The step "${name}" left no report in ${counts.file}.`);
    return { passed: 0, failed: 1, skipped: [] };
  }
  return READERS[counts.from](report);
}

/** @type {Record<NonNullable<import('./steps.mjs').Step['counts']>['from'], (report: any) => Counts>} */
const READERS = {
  parity: ({ passed, failed }) => ({ passed, failed, skipped: [] }),
  vitest: ({ testResults }) => {
    const tests = testResults.flatMap((/** @type {any} */ file) => file.assertionResults);
    const of = (/** @type {(status: string) => boolean} */ fits) =>
      tests.filter((/** @type {any} */ test) => fits(test.status));
    // A file that could not be read has no tests.
    const broken = testResults.filter(
      (/** @type {any} */ file) => file.status === 'failed' && file.assertionResults.length === 0,
    );
    return {
      passed: of((status) => status === 'passed').length,
      failed: of((status) => status === 'failed').length + broken.length,
      skipped: of((status) => status !== 'passed' && status !== 'failed').map(
        (/** @type {any} */ test) => test.fullName,
      ),
    };
  },
  playwright: ({ suites, stats }) => ({
    passed: stats.expected,
    // One that passed at a second attempt has a fault.
    failed: stats.unexpected + stats.flaky,
    skipped: skippedSpecs({ suites }),
  }),
};

/** @returns {string[]} */
function skippedSpecs(/** @type {any} */ suite) {
  return [
    ...(suite.specs ?? [])
      .filter((/** @type {any} */ spec) =>
        spec.tests.some((/** @type {any} */ test) => test.status === 'skipped'),
      )
      .map((/** @type {any} */ spec) => spec.title),
    ...(suite.suites ?? []).flatMap(skippedSpecs),
  ];
}
