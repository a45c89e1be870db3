import { StageClock } from '../../model/policy/policy.ts';
import type { Observation, Prediction } from '../boundary/contract.ts';
import { cancelled } from '../lease.ts';
import type { LoadedPolicy } from './loaded-policy.ts';

/** Stops between stages. */
class CancellableClock extends StageClock {
  readonly #signal: AbortSignal;

  constructor(device: GPUDevice | null, signal: AbortSignal) {
    super(device);
    this.#signal = signal;
  }

  override async mark(name: string): Promise<void> {
    await super.mark(name);
    if (this.#signal.aborted) throw cancelled('predicting');
  }
}

/**
 * One prediction of what is in use, in a turn of the lease. What lies over the policy brings its own statistics; a key that is not among them, asked for before
 * it was laid there, gives way to its own.
 * @throws ModelError `cancelled` between two stages, once the signal is aborted
 */
export async function predictWith(
  { variants, tokenize, runtime, source }: LoadedPolicy,
  observation: Observation,
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): Promise<Prediction> {
  const start = now();
  const clock = new CancellableClock(runtime.device, signal);
  const { policy, observer, config } = variants.inUse;
  const { statistics } = config;
  // All there, unless there was no room for the base's own head when a run ended.
  await policy.bringBackBound(source);
  const { pixels, seen } = await observer.observe(observation.images);
  try {
    await clock.mark('image processor');
    const { prompt, ids } = policy.promptIds(observation.instruction, tokenize);
    const asked = config === variants.base.config || Object.hasOwn(statistics, observation.unnormKey);
    const unnormKey = asked ? observation.unnormKey : config.defaultUnnormKey;
    const proprio = policy.normalizeState(observation.state, unnormKey, statistics);
    await clock.mark('prompt');
    const seed = observation.seed ?? 0;
    const normalized = await policy.predict({ pixels, promptIds: ids, proprio, seed }, clock);
    return {
      actions: policy.unnormalize(normalized, unnormKey, statistics),
      normalized,
      seen: [...seen],
      stages: clock.stages,
      elapsedMs: now() - start,
      unnormKey,
      prompt,
      promptTokens: ids.length,
    };
  } finally {
    pixels.dispose();
  }
}

/**
 * The same frames with each of the policy's statistics that fit its robot; those of `known` first. A policy that takes no state is not run again: the
 * statistics only scale what it gave.
 */
export async function predictByKey(
  held: LoadedPolicy,
  observation: Observation,
  known: Prediction,
  clock: { readonly now: () => number; readonly signal: AbortSignal },
): Promise<{ key: string; predicted: number[][] }[]> {
  const { policy, config } = held.variants.inUse;
  const all = [{ key: known.unnormKey, predicted: known.actions }];
  for (const [key, { action, proprio }] of Object.entries(config.statistics)) {
    const { actions, state } = config.profile;
    const fits = action.q01.length === actions.length && (!state || proprio?.q01.length === state.length);
    if (key === known.unnormKey || !fits) continue;
    const predicted = state
      ? (await predictWith(held, { ...observation, unnormKey: key }, clock)).actions
      : policy.unnormalize(known.normalized, key, config.statistics);
    all.push({ key, predicted });
  }
  return all;
}
