import { DemonstrationSource, splitEpisodes } from '../../model/finetune/demonstrations.ts';
import type { DatasetStatistics } from '../../model/policy/statistics.ts';
import type { AdaptersHost } from '../policy/adapters-host.ts';
import type { FineTuneOptions } from '../boundary/contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import type { PolicyFacts } from '../policy/loaded-policy.ts';

/** What a new run normalises with: of the demonstrations, of the adapter it starts from, or of the policy. */
export function runStatistics(
  opened: OpenedDemonstrations,
  options: FineTuneOptions,
  { config }: PolicyFacts,
  adapters: AdaptersHost,
): Readonly<Record<string, DatasetStatistics>> {
  // Another robot's range has nothing to do with the policy's.
  const other = options.robot !== null && options.startFrom === null;
  if (other || options.statistics === 'demonstrations') return opened.statistics;
  const { statistics, defaultUnnormKey } = config;
  const before = options.startFrom === null ? null : adapters.statisticsOf(options.startFrom);
  return before ?? { [defaultUnnormKey]: statistics[defaultUnnormKey]! };
}

/** The opened demonstrations as samples, split as the options ask. `validation` is null where nothing is held out. */
export function trainingData(
  opened: OpenedDemonstrations,
  options: FineTuneOptions,
  { tokenize }: PolicyFacts,
  statistics: Readonly<Record<string, DatasetStatistics>>,
): { readonly train: DemonstrationSource; readonly validation: DemonstrationSource | null } {
  const split = splitEpisodes(opened.dataset.episodes, options.validationFraction);
  const of = (episodes: readonly number[]) =>
    new DemonstrationSource(opened.dataset, {
      config: opened.target.config,
      tokenize,
      statistics: Object.values(statistics)[0]!,
      cameras: opened.info.slots.map(({ camera }) => camera),
      episodes,
      weight: (index) =>
        opened.rehearsal.size > 0 && !opened.rehearsal.has(index) ? options.demonstrationWeight : 1,
    });
  return { train: of(split.train), validation: split.validation.length > 0 ? of(split.validation) : null };
}
