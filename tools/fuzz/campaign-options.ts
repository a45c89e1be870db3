/** What both fuzzing tools are asked: of what, how many runs, and by which seed. */
import { parseArguments } from '../node/arguments.ts';

export interface CampaignOptions {
  /** All that were asked for. */
  readonly names: readonly string[];
  readonly runs: number;
  readonly seed: number;
  /** The first run: a run is told by its number and the seed. */
  readonly first: number;
}

/** @param option the name of the option that picks one of `all` */
export function campaignOptions(usage: string, option: string, all: readonly string[]): CampaignOptions {
  const args = parseArguments(
    `${usage}

  ${`--${option} NAME`.padEnd(15)}${all.join(', ')}; default all
  --runs N       how many of each (default 1000)
  --seed S       (default 1)
  --first N      the first run, to repeat one: --first N --runs 1 (default 0)`,
    {
      options: {
        [option]: { type: 'string' },
        runs: { type: 'string', default: '1000' },
        seed: { type: 'string', default: '1' },
        first: { type: 'string', default: '0' },
      },
    },
  );
  const chosen = args.oneOf(option, all);
  return {
    names: chosen === undefined ? all : [chosen],
    runs: args.wholeNumber('runs', 1),
    seed: args.wholeNumber('seed', 0),
    first: args.wholeNumber('first', 0),
  };
}
