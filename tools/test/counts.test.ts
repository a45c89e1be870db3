import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { countsOf } from './counts.ts';
import type { Step } from './steps.ts';

const folder = mkdtempSync(join(tmpdir(), 'counts-'));

function stepWith(from: NonNullable<Step['report']>['from'], report: unknown): Step {
  const file = join(folder, `${from}.json`);
  writeFileSync(file, JSON.stringify(report));
  return { name: from, cores: 1, command: ['true'], report: { from, file } };
}

const plain: Step = { name: 'interop', cores: 1, command: ['true'] };

it('counts a step without a report as one test', () => {
  expect(countsOf(plain, true, 'fine')).toEqual({ passed: 1, failed: 0, skipped: [], failures: [] });
  expect(countsOf(plain, false, 'skipped: or so it says')).toEqual({
    passed: 0,
    failed: 1,
    skipped: [],
    failures: [],
  });
});

it('tells why a step was skipped', () => {
  const output = 'looking\nskipped: there is no Python; see there\n';
  expect(countsOf(plain, true, output)).toEqual({
    passed: 0,
    failed: 0,
    skipped: ['interop: there is no Python; see there'],
    failures: [],
  });
});

it('counts the tests of Vitest, and a file that could not be loaded', () => {
  const step = stepWith('vitest', {
    testResults: [
      {
        status: 'failed',
        assertionResults: [
          { status: 'passed', fullName: 'a' },
          {
            status: 'failed',
            fullName: 'b',
            failureMessages: ['Error: \u001b[31m1 for 2\u001b[39m\n\n  at b.ts'],
          },
          { status: 'pending', fullName: 'c [no GPU]' },
        ],
      },
      { status: 'failed', name: 'broken.ts', message: 'no such module', assertionResults: [] },
    ],
  });
  expect(countsOf(step, false, '')).toEqual({
    passed: 1,
    failed: 2,
    skipped: ['c [no GPU]'],
    failures: ['b\n    Error: 1 for 2\n      at b.ts', 'broken.ts\n    no such module'],
  });
});

it('counts a journey that passed at a second attempt as failed', () => {
  const step = stepWith('playwright', {
    stats: { expected: 3, unexpected: 0, flaky: 1 },
    suites: [
      {
        suites: [
          {
            specs: [
              { title: 'later', tests: [{ status: 'skipped' }] },
              {
                title: 'second',
                tests: [
                  { status: 'flaky', results: [{ errors: [{ message: 'too late' }] }, { errors: [] }] },
                ],
              },
            ],
          },
        ],
      },
    ],
  });
  expect(countsOf(step, true, '')).toEqual({
    passed: 3,
    failed: 1,
    skipped: ['later'],
    failures: ['second\n    too late'],
  });
});

it('counts at least one failure where the command failed', () => {
  const step = stepWith('parity', { passed: 5, failed: 0 });
  expect(countsOf(step, true, '')).toEqual({ passed: 5, failed: 0, skipped: [], failures: [] });
  expect(countsOf(step, false, '')).toEqual({ passed: 5, failed: 1, skipped: [], failures: [] });
});

it('counts a report that is missing as a failure', () => {
  const told = vi.spyOn(console, 'error').mockReturnValue();
  const step: Step = { ...plain, report: { from: 'vitest', file: join(folder, 'nowhere.json') } };
  expect(countsOf(step, true, '')).toEqual({ passed: 0, failed: 1, skipped: [], failures: [] });
  expect(told).toHaveBeenCalledOnce();
  told.mockRestore();
});
