/** How many tests a step ran, from the report that it left. */
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Step } from './steps.ts';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** By name. */
  readonly skipped: readonly string[];
  /** Each with what it said, where the report tells: its name on the first line, the message below. */
  readonly failures: readonly string[];
}

/** Lines of a failure's message that are repeated at the end. */
const MESSAGE_LINES = 12;

/**
 * @param good whether the step's command ended well; one that did not has at least one failure
 * @param output the end of what it printed; a step without a report may say there why it was skipped
 */
export function countsOf(step: Step, good: boolean, output: string): Counts {
  if (!step.report) {
    const skipped = good ? /^skipped: (.*)$/m.exec(output) : null;
    if (skipped) return { passed: 0, failed: 0, skipped: [`${step.name}: ${skipped[1]!}`], failures: [] };
    return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: [], failures: [] };
  }
  let counts: Counts;
  try {
    counts = READERS[step.report.from](JSON.parse(readFileSync(step.report.file, 'utf8')));
  } catch (error) {
    console.error(`The step "${step.name}" left no readable report: ${String(error)}`);
    return { passed: 0, failed: 1, skipped: [], failures: [] };
  }
  return good || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

interface VitestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly name?: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

interface PlaywrightSuite {
  readonly specs?: readonly {
    readonly title: string;
    readonly tests: readonly {
      readonly status: string;
      readonly results?: readonly { readonly errors?: readonly { readonly message?: string }[] }[];
    }[];
  }[];
  readonly suites?: readonly PlaywrightSuite[];
}

interface PlaywrightReport extends PlaywrightSuite {
  readonly stats: { readonly expected: number; readonly unexpected: number; readonly flaky: number };
}

const READERS: Record<NonNullable<Step['report']>['from'], (report: unknown) => Counts> = {
  parity: (report) => ({ ...(report as { passed: number; failed: number }), skipped: [], failures: [] }),
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
      failures: [
        ...tests.flatMap(({ status, fullName, failureMessages = [] }) =>
          status === 'failed' ? [failure(fullName, failureMessages)] : [],
        ),
        ...broken.map(({ name = 'a file', message = '' }) => failure(name, [message])),
      ],
    };
  },
  playwright: (report) => {
    const { stats, ...suite } = report as PlaywrightReport;
    const specs = specsOf(suite);
    // One that passed at a second attempt has a fault.
    return {
      passed: stats.expected,
      failed: stats.unexpected + stats.flaky,
      skipped: specs.flatMap(({ title, tests }) =>
        tests.some(({ status }) => status === 'skipped') ? [title] : [],
      ),
      failures: specs.flatMap(({ title, tests }) =>
        tests.flatMap(({ status, results = [] }) =>
          status === 'unexpected' || status === 'flaky'
            ? [
                failure(
                  title,
                  results.flatMap(({ errors = [] }) => errors.map(({ message = '' }) => message)),
                ),
              ]
            : [],
        ),
      ),
    };
  },
};

const specsOf = ({ specs = [], suites = [] }: PlaywrightSuite): NonNullable<PlaywrightSuite['specs']> => [
  ...specs,
  ...suites.flatMap(specsOf),
];

function failure(name: string, messages: readonly string[]): string {
  const lines = messages.flatMap((message) => stripVTControlCharacters(message).split('\n'));
  const told = lines.filter((line) => line.trim()).slice(0, MESSAGE_LINES);
  return [name, ...told.map((line) => `    ${line}`)].join('\n');
}
