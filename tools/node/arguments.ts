/** Command lines of the tools. What is thrown here, or by a tool's work, `runTool` prints; run.mjs starts every tool with it. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { parseArgs, ParseArgsConfig } from 'node:util';
import { ModelError } from '../../src/base/errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values'];
type Name<O extends Options> = keyof Values<O> & string;
/** `undefined` for an option without a default. */
type Absent<O extends Options, K extends Name<O>> = undefined extends Values<O>[K] ? undefined : never;

/** The usage is to be shown instead of doing the work: it was asked for, or an argument is wrong. */
export class UsageError extends Error {
  readonly usage: string;
  /** In one line; null for `--help`. */
  readonly wrong: string | null;

  constructor(usage: string, wrong: string | null) {
    super(wrong ?? usage);
    this.name = 'UsageError';
    this.usage = usage;
    this.wrong = wrong;
  }
}

/** A tool's arguments, whose names, number and values without a dash were checked; the methods check what an option's value has to be. */
export class Arguments<O extends Options> {
  readonly values: Values<O>;
  readonly positionals: readonly string[];
  readonly #usage: string;

  constructor(usage: string, values: Values<O>, positionals: readonly string[]) {
    this.#usage = usage;
    this.values = values;
    this.positionals = positionals;
  }

  /** To be thrown. @param text what was found and what was expected, in one line */
  wrong(text: string): UsageError {
    return new UsageError(this.#usage, text);
  }

  /** The positional arguments, which have to be these. @throws UsageError for more or fewer */
  exactly<const Names extends readonly string[]>(...names: Names): { [Index in keyof Names]: string } {
    const missing = names[this.positionals.length];
    const expected = `expected: ${names.join(' ')}.`;
    if (missing !== undefined) throw this.wrong(`${missing} is missing; ${expected}`);
    const excess = this.positionals[names.length];
    if (excess !== undefined) throw this.wrong(`"${excess}" is one argument too many; ${expected}`);
    return this.positionals as unknown as { [Index in keyof Names]: string };
  }

  /** @throws UsageError for anything but a whole number of at least `least` */
  wholeNumber<K extends Name<O>>(name: K, least: number): number | Absent<O, K> {
    return this.#number(
      name,
      (value) => Number.isSafeInteger(value) && value >= least,
      `a whole number, ${least} or more`,
    );
  }

  /** @throws UsageError for anything but a finite number above 0 */
  positive<K extends Name<O>>(name: K): number | Absent<O, K> {
    return this.#number(name, (value) => Number.isFinite(value) && value > 0, 'a number above 0');
  }

  /** @throws UsageError for anything but a number from 0 to 1 */
  share<K extends Name<O>>(name: K): number | Absent<O, K> {
    return this.#number(name, (value) => value >= 0 && value <= 1, 'a number from 0 to 1');
  }

  /** @throws UsageError for anything that is none of the choices */
  oneOf<K extends Name<O>, Choice extends string>(
    name: K,
    choices: readonly Choice[],
  ): Choice | Absent<O, K> {
    const text = this.values[name] as string | undefined;
    if (text === undefined) return undefined as Absent<O, K>;
    const found = choices.find((choice) => choice === text);
    if (found === undefined)
      throw this.wrong(`--${name} is "${text}"; it has to be one of ${choices.join(', ')}.`);
    return found;
  }

  #number<K extends Name<O>>(
    name: K,
    fits: (value: number) => boolean,
    expected: string,
  ): number | Absent<O, K> {
    const text = this.values[name] as string | undefined;
    if (text === undefined) return undefined as Absent<O, K>;
    // Number('') is 0.
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!fits(value)) throw this.wrong(`--${name} is "${text}"; it has to be ${expected}.`);
    return value;
  }
}

/**
 * Commander's parsing, strict, with `--help` and with one line for whatever does not fit.
 * @param usage what `--help` prints: how to call the tool, what it does, its options with defaults and units
 * @param options in the form of node:util's parseArgs, which gives the values their types
 * @throws UsageError for `--help` and for arguments that the tool does not take
 */
export function parseArguments<const O extends Options>(
  usage: string,
  {
    options,
    allowPositionals = false,
    allowNegative = false,
  }: { readonly options: O; readonly allowPositionals?: boolean; readonly allowNegative?: boolean },
  args: readonly string[] = process.argv.slice(2),
): Arguments<O> {
  if (args.includes('--help') || args.includes('-h')) throw new UsageError(usage, null);
  const command = new Command()
    .helpOption(false)
    .argument('[positionals...]')
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  const names = new Map<string, string>();
  for (const [name, option] of Object.entries(options)) {
    for (const one of optionsFor(name, option, allowNegative)) {
      command.addOption(one);
      names.set(one.attributeName(), name);
    }
  }
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(usage, sentence(error.message));
    throw error;
  }
  const excess = command.args[0];
  if (excess !== undefined && !allowPositionals) {
    throw new UsageError(usage, `"${excess}" is one argument too many; only options are expected.`);
  }
  const values = Object.fromEntries(
    Object.entries(command.opts())
      .filter(([, value]) => value !== undefined)
      .map(([attribute, value]) => [names.get(attribute)!, value]),
  );
  return new Arguments(usage, values as Values<O>, command.args);
}

function optionsFor(
  name: string,
  { type, multiple, default: preset }: Options[string],
  negative: boolean,
): Option[] {
  if (type === 'boolean') {
    const option = new Option(`--${name}`).default(preset);
    return negative ? [option, new Option(`--no-${name}`)] : [option];
  }
  const option = new Option(`--${name} <value>`).default(preset);
  return [
    option.argParser((value: string, before: string[] | string | undefined) => {
      // `--out --seed 3`: the value was forgotten. `--seed -1`: it is there.
      if (/^--?[^\d.-]|^--$/.test(value)) throw new InvalidArgumentError('A value is expected after it.');
      return multiple ? [...(Array.isArray(before) && before !== preset ? before : []), value] : value;
    }),
  ];
}

/** "error: unknown option '--episode'\n(Did you mean --episodes?)" → one line. */
const sentence = (message: string): string => {
  const text = message.replace(/^error: /, '').replaceAll('\n', ' ');
  return `${text[0]!.toUpperCase()}${text.slice(1)}${/[.?)]$/.test(text) ? '' : '.'}`;
};

/** An error in one line, for people. */
export function plainMessage(error: unknown): string {
  if (error instanceof ModelError) return `${error.message} ${error.hint}`.trim();
  return error instanceof Error ? error.message : String(error);
}

/** How a tool ends that threw this; null for a defect of ours, whose stack trace is wanted. */
export function endingOf(error: unknown): { readonly exitCode: 0 | 1 | 2; readonly text: string } | null {
  if (error instanceof UsageError)
    return error.wrong === null
      ? { exitCode: 0, text: error.usage }
      : { exitCode: 2, text: `${error.wrong}\n\n${error.usage}` };
  return error instanceof ModelError ? { exitCode: 1, text: plainMessage(error) } : null;
}

/** Runs a tool. A usage or a ModelError is printed and ends the process; other errors pass. */
export async function runTool(start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    const ending = endingOf(error);
    if (ending === null) throw error;
    if (ending.exitCode === 0) console.log(ending.text);
    else console.error(ending.text);
    // Dawn and browsers keep a process alive.
    process.exit(ending.exitCode);
  }
}
