/** How many tests a step ran, from the report that it left. */
import { readFileSync } from 'node:fs';
import type { Step } from './steps.ts';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** By name. */
  readonly skipped: readonly string[];
}

/**
 * @param good whether the step's command ended well; one that did not has at least one failure
 * @param output the end of what it printed; a step without a report may say there why it was skipped
 */
export function countsOf(step: Step, good: boolean, output: string): Counts {
  if (!step.report) {
    const skipped = good ? /^skipped: (.*)$/m.exec(output) : null;
    if (skipped) return { passed: 0, failed: 0, skipped: [`${step.name}: ${skipped[1]!}`] };
    return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: [] };
  }
  let counts: Counts;
  try {
    counts = READERS[step.report.from](JSON.parse(readFileSync(step.report.file, 'utf8')));
  } catch (error) {
    console.error(`The step "${step.name}" left no readable report: ${String(error)}`);
    return { passed: 0, failed: 1, skipped: [] };
  }
  return good || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

interface VitestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

interface PlaywrightSuite {
  readonly specs?: readonly {
    readonly title: string;
    readonly tests: readonly { readonly status: string }[];
  }[];
  readonly suites?: readonly PlaywrightSuite[];
}

interface PlaywrightReport extends PlaywrightSuite {
  readonly stats: { readonly expected: number; readonly unexpected: number; readonly flaky: number };
}

const READERS: Record<NonNullable<Step['report']>['from'], (report: unknown) => Counts> = {
  parity: (report) => ({ ...(report as { passed: number; failed: number }), skipped: [] }),
  vitest: (report) => {
    const files = (report as VitestReport).testResults;
    const tests = files.flatMap(({ assertionResults }) => assertionResults);
    const withStatus = (status: string) => tests.filter((test) => test.status === status).length;
    // A file that could not be loaded has no tests.
    const broken = files.filter(
      ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
    );
    return {
      passed: withStatus('passed'),
      failed: withStatus('failed') + broken.length,
      skipped: tests.flatMap(({ status, fullName }) =>
        status === 'passed' || status === 'failed' ? [] : [fullName],
      ),
    };
  },
  playwright: (report) => {
    const { stats, ...suite } = report as PlaywrightReport;
    // One that passed at a second attempt has a fault.
    return { passed: stats.expected, failed: stats.unexpected + stats.flaky, skipped: skippedIn(suite) };
  },
};

function skippedIn({ specs = [], suites = [] }: PlaywrightSuite): string[] {
  const own = specs.filter(({ tests }) => tests.some(({ status }) => status === 'skipped'));
  return [...own.map(({ title }) => title), ...suites.flatMap(skippedIn)];
}
