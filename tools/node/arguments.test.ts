import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { endingOf, parseArguments, plainMessage, runTool, UsageError } from './arguments.ts';

const USAGE = 'usage: npm run evaluate -- [options]';
const OPTIONS = {
  episodes: { type: 'string', default: '100' },
  threads: { type: 'string' },
  task: { type: 'string', multiple: true },
  page: { type: 'boolean', default: false },
} as const;

const parsed = (...args: string[]) => parseArguments(USAGE, { options: OPTIONS }, args);

const given = (...args: string[]) =>
  parseArguments(USAGE, { options: OPTIONS, allowPositionals: true }, args);

/** What is wrong with arguments; null for `--help`. */
function wrongIn(run: () => unknown): string | null {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError && error.usage === USAGE) return error.wrong;
    throw error;
  }
  throw new Error('The arguments were taken.');
}

describe('parseArguments', () => {
  it('gives values, defaults and types', () => {
    const { values } = parsed('--task', 'can', '--task=plate', '--page');
    expect(values).toEqual({ episodes: '100', task: ['can', 'plate'], page: true });
    expectTypeOf(values.episodes).toEqualTypeOf<string>();
    expectTypeOf(values.threads).toEqualTypeOf<string | undefined>();
    expectTypeOf(values.task).toEqualTypeOf<string[] | undefined>();
  });

  it.each([['--help'], ['-h'], ['--page', '--help'], ['--no-such', '--help']])(
    'shows the usage: %s',
    (...args) => {
      expect(wrongIn(() => parsed(...args))).toBeNull();
    },
  );

  it.each([
    [['--episode', '3'], "Unknown option '--episode' (Did you mean --episodes?)"],
    [['-x'], "Unknown option '-x'."],
    [['--no-page'], "Unknown option '--no-page' (Did you mean --page?)"],
    [['--toString'], "Unknown option '--toString'."],
    [['can'], '"can" is one argument too many; only options are expected.'],
    [['--episodes'], "Option '--episodes <value>' argument missing."],
    [
      ['--threads', '--page'],
      "Option '--threads <value>' argument '--page' is invalid. A value is expected after it.",
    ],
    [['--page=yes'], "Unknown option '--page=yes'."],
  ])('refuses %j', (args, wrong) => {
    expect(wrongIn(() => parsed(...args))).toBe(wrong);
  });

  it('takes --no-… for switches where it is allowed', () => {
    const config = {
      options: { ...OPTIONS, crop: { type: 'boolean', default: true } },
      allowNegative: true,
    } as const;
    expect(parseArguments(USAGE, config, ['--no-crop']).values.crop).toBe(false);
    expect(parseArguments(USAGE, config, []).values.crop).toBe(true);
    expect(wrongIn(() => parseArguments(USAGE, config, ['--no-episodes']))).toContain('--no-episodes');
  });

  it('counts positional arguments', () => {
    expect(given('from', '--page', 'to').exactly('<from>', '<to>')).toEqual(['from', 'to']);
    expect(wrongIn(() => given('from').exactly('<from>', '<to>'))).toBe(
      '<to> is missing; expected: <from> <to>.',
    );
    expect(wrongIn(() => given('from', 'to', 'more').exactly('<from>', '<to>'))).toBe(
      '"more" is one argument too many; expected: <from> <to>.',
    );
  });
});

describe('options', () => {
  it('are whole numbers from a least one', () => {
    expect(parsed().wholeNumber('episodes', 1)).toBe(100);
    expect(parsed('--episodes', '1e3').wholeNumber('episodes', 1)).toBe(1000);
    expect(parsed().wholeNumber('threads', 1)).toBeUndefined();
    expectTypeOf(parsed().wholeNumber('episodes', 1)).toEqualTypeOf<number>();
    expectTypeOf(parsed().wholeNumber('threads', 1)).toEqualTypeOf<number | undefined>();
  });

  it.each(['abc', '-1', '1.5', '0', '', ' ', 'NaN', 'Infinity', '1e300', '3x'])(
    'refuse "%s" as a count',
    (text) => {
      const expected = `--episodes is "${text}"; it has to be a whole number, 1 or more.`;
      expect(wrongIn(() => parsed(`--episodes=${text}`).wholeNumber('episodes', 1))).toBe(expected);
    },
  );

  it('refuse a negative number without an equals sign, too', () => {
    expect(wrongIn(() => parsed('--episodes', '-1').wholeNumber('episodes', 0))).toBe(
      '--episodes is "-1"; it has to be a whole number, 0 or more.',
    );
  });

  it('are positive numbers', () => {
    expect(parsed('--threads', '5e-4').positive('threads')).toBe(5e-4);
    for (const text of ['0', '-1', '', 'abc', 'Infinity'])
      expect(wrongIn(() => parsed(`--threads=${text}`).positive('threads'))).toBe(
        `--threads is "${text}"; it has to be a number above 0.`,
      );
  });

  it('are shares', () => {
    expect(['0', '0.6', '1'].map((text) => parsed('--threads', text).share('threads'))).toEqual([0, 0.6, 1]);
    for (const text of ['-0.1', '1.1', '', 'abc', '60%'])
      expect(wrongIn(() => parsed(`--threads=${text}`).share('threads'))).toBe(
        `--threads is "${text}"; it has to be a number from 0 to 1.`,
      );
  });

  it('are one of some names', () => {
    const bits = parsed('--episodes', '8').oneOf('episodes', ['4', '8']);
    expectTypeOf(bits).toEqualTypeOf<'4' | '8'>();
    expect(bits).toBe('8');
    expect(parsed().oneOf('threads', ['1', '2'])).toBeUndefined();
    expect(wrongIn(() => parsed('--episodes', '5').oneOf('episodes', ['4', '8']))).toBe(
      '--episodes is "5"; it has to be one of 4, 8.',
    );
  });
});

describe('a tool', () => {
  afterEach(() => vi.restoreAllMocks());

  const ended = new Error('ended');
  /** What a tool that throws prints, and its exit code. */
  async function endOf(error: unknown): Promise<{ code: unknown; out: unknown[][]; err: unknown[][] }> {
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => {
      throw ended;
    });
    const out = vi.spyOn(console, 'log').mockReturnValue();
    const err = vi.spyOn(console, 'error').mockReturnValue();
    await expect(runTool(() => Promise.reject(error))).rejects.toBe(ended);
    return { code: exit.mock.calls[0]?.[0], out: out.mock.calls, err: err.mock.calls };
  }

  it('prints its usage on demand and ends well', async () => {
    expect(await endOf(new UsageError(USAGE, null))).toEqual({ code: 0, out: [[USAGE]], err: [] });
  });

  it('ends with 2 after a wrong argument, which it names before the usage', async () => {
    const end = await endOf(parsed().wrong('--page is not built.'));
    expect(end).toEqual({ code: 2, out: [], err: [[`--page is not built.\n\n${USAGE}`]] });
  });

  it('ends with 1 after a ModelError, in one line with its hint', async () => {
    const end = await endOf(new ModelError('bad-input', 'There is no task "xyz".', 'Tasks are can.'));
    expect(end).toEqual({ code: 1, out: [], err: [['There is no task "xyz". Tasks are can.']] });
    expect(plainMessage(new ModelError('bad-input', 'No hint.'))).toBe('No hint.');
  });

  it('lets a defect pass, with its stack trace', async () => {
    const defect = new RangeError('ours');
    expect(endingOf(defect)).toBeNull();
    await expect(runTool(() => Promise.reject(defect))).rejects.toBe(defect);
  });
});
