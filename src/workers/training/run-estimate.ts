import {
  activationBytes,
  bytesPerParameter,
  checkpointBytes,
  forwardTime,
  stepSeconds,
  whyNot,
  type ForwardTime,
} from '../../model/finetune/estimate.ts';
import {
  countContinued,
  countParameters,
  GROUPS,
  shapesOf,
  type Group,
} from '../../model/finetune/parameters.ts';
import { canStream } from '../../model/finetune/trainables.ts';
import { initialModules } from '../../model/finetune/modules-init.ts';
import { moduleShapes } from '../../model/policy/module-shapes.ts';
import { runPass } from '../../model/finetune/pass.ts';
import { headOf } from '../../model/heads/index.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import { adaptedConfig, sameShape } from '../../model/policy/own-config.ts';
import type { Policy } from '../../model/policy/policy.ts';
import { Random } from '../../base/random.ts';
import type { AdaptersHost } from '../policy/adapters-host.ts';
import type { FineTuneEstimate, FineTuneOptions } from '../boundary/contract-finetune.ts';
import type { OpenedDemonstrations } from './demonstrations.ts';
import type { LoadedPolicy } from '../policy/loaded-policy.ts';
import { ownConfigFor } from './robot-choice.ts';
import type { Surroundings } from '../surroundings.ts';
import { runStatistics, trainingData } from './training-data.ts';
import type { Variants } from '../policy/variants.ts';

const GROUP_LABELS: Record<Group, string> = {
  lora: 'LoRA',
  action_head: 'Action head',
  proprio_projector: 'Proprio projector',
  noisy_action_projector: 'Noisy-action projector',
  action_queries: 'Action queries',
  film: 'FiLM',
};

/** A 32-bit WASM heap ends at 4 GiB; what JavaScript holds lies outside, but the machine has to have it. */
const WASM_HEAP = 3 * 2 ** 30;

/** What a run would take of memory, disk and time, and whether it can start. */
export class RunEstimator {
  readonly #around: Surroundings;
  readonly #adapters: AdaptersHost;
  /** By what is trained. */
  readonly #forwardTimes = new Map<string, ForwardTime>();

  constructor(around: Surroundings, adapters: AdaptersHost) {
    this.#around = around;
    this.#adapters = adapters;
  }

  /** To be called when the policy is replaced: another one takes another time. */
  reset(): void {
    this.#forwardTimes.clear();
  }

  /**
   * In a turn.
   * @param timed false while a run has the policy: no forward pass is timed then
   */
  async estimate(
    loaded: LoadedPolicy,
    options: FineTuneOptions,
    opened: OpenedDemonstrations | null,
    timed: boolean,
  ): Promise<FineTuneEstimate> {
    const shapes = shapesOf(loaded.source);
    const { startFrom } = options;
    const config = opened?.target.config ?? loaded.config;
    const before = startFrom === null ? null : await this.#adapters.state(startFrom);
    const other = before && options.robot && contradiction(adaptedConfig(loaded.config, before), config);
    const count =
      before && !other
        ? countContinued(loaded.config, shapes, before)
        : countParameters(config, shapes, options.lora);
    const trained = count.trainable;
    const { runtime } = loaded;
    const { partition } = loaded.variants.base.policy.network;
    const ours = runtime.adoptPart !== undefined;
    const memory = {
      parameters:
        trained * bytesPerParameter(runtime.device !== null && !ours, ours && canStream(options, partition)),
      activations: activationBytes(
        config,
        options.batchSize,
        opened ? this.#data(loaded, opened, options).train.tokens : 0,
        partition,
      ),
      base: loaded.runtime.live.byteLength,
    };
    const { deviceMemoryGib } = this.#around;
    const available = deviceMemoryGib === null ? null : deviceMemoryGib * 2 ** 30;
    const storage = await this.#around.storage();
    const room = storage && storage.quota - storage.usage;
    const onDisk = checkpointBytes(trained, 0);
    const forward = opened && timed ? await this.#timeForward(loaded, opened, options) : null;
    return {
      groups: GROUPS.filter((group) => count.groups[group] > 0).map((group) => ({
        name: group,
        label: GROUP_LABELS[group],
        count: count.groups[group],
      })),
      trainable: trained,
      base: count.base,
      memory,
      available,
      checkpointBytes: onDisk,
      secondsPerStep: forward && stepSeconds(forward, options.batchSize, options.gradAccumulationSteps),
      refusal:
        misfit(opened) ??
        other ??
        whyNot({
          memory,
          memoryLimit: loaded.runtime.device
            ? null
            : Math.min(available ?? Infinity, WASM_HEAP + memory.parameters),
          checkpointBytes: onDisk,
          storageRoom: room,
        }),
    };
  }

  #data(loaded: LoadedPolicy, opened: OpenedDemonstrations, options: FineTuneOptions) {
    return trainingData(opened, options, loaded, runStatistics(opened, options, loaded, this.#adapters));
  }

  /** A forward pass timed once per policy with one and with two samples; null where there is no sample to take. */
  async #timeForward(
    loaded: LoadedPolicy,
    opened: OpenedDemonstrations,
    options: FineTuneOptions,
  ): Promise<ForwardTime | null> {
    const own = options.robot ? ownConfigFor(options.robot, options.imageAug) : null;
    const { config } = opened.target;
    const key = JSON.stringify([config.head, config.profile, own?.film]);
    const known = this.#forwardTimes.get(key);
    if (known || opened.info.problems.length > 0) return known ?? null;
    const { runtime, variants } = loaded;
    const { train } = this.#data(loaded, opened, options);
    if (train.count === 0) return null;
    const sample = await train.sample(0, null);
    await train.close();
    const { now } = this.#around;
    const { policy, free } = await this.#timedPolicy(variants, opened, options);
    try {
      await policy.bringBackBound(loaded.source);
      const pass = async (count: number) => {
        const samples = Array.from({ length: count }, () => sample);
        const start = now();
        const draws = headOf(config).draw(config, count, { sample: (i) => new Random(0, i), pass: null });
        await runPass(policy, samples, { draws });
        await runtime.device?.queue.onSubmittedWorkDone();
        return (now() - start) / 1000;
      };
      // The first compiles; of the others the fastest was disturbed least.
      const fastest = async (count: number) => {
        await pass(count);
        return Math.min(await pass(count), await pass(count));
      };
      const time = forwardTime(await fastest(1), await fastest(2));
      this.#forwardTimes.set(key, time);
      return time;
    } finally {
      free();
    }
  }

  /** A policy of what would be trained, whose new modules hold their starting values for as long as it is timed. */
  async #timedPolicy(
    variants: Variants,
    { target, statistics }: OpenedDemonstrations,
    { robot, imageAug, startFrom }: FineTuneOptions,
  ): Promise<{ policy: Policy; free: () => void }> {
    const before = startFrom === null ? null : await this.#adapters.state(startFrom);
    const own = robot ? ownConfigFor(robot, imageAug) : (before?.own ?? null);
    const { policy } = await variants.get({ own, statistics });
    if (policy === variants.inUse.policy && sameShape(variants.inUse.config, target.config))
      return { policy, free: () => undefined };
    const adapter = variants.load({
      run: '',
      step: 0,
      own,
      lora: null,
      adapters: new Map(),
      modules: initialModules(moduleShapes(target.config), new Random(0)),
      statistics,
    });
    policy.use(adapter);
    return {
      policy,
      free: () => {
        policy.use(null);
        adapter.dispose();
      },
    };
  }
}

const factsOf = ({ profile, head }: PolicyConfig) =>
  `${profile.actions.length} actions in chunks of ${profile.chunkSize}, ${profile.state ? `a state of ${profile.state.length}` : 'no state'}, ` +
  `${profile.images.length} ${profile.images.length === 1 ? 'image' : 'images'} and the head “${head}”`;

/** Why an adapter cannot be taught as another robot. */
function contradiction(adapter: PolicyConfig, wanted: PolicyConfig): FineTuneEstimate['refusal'] {
  if (sameShape(adapter, wanted)) return null;
  return {
    message: `The adapter to start from is for ${factsOf(adapter)}; asked for are ${factsOf(wanted)}.`,
    hint: 'Start from the policy as it was loaded, or take the adapter’s robot.',
  };
}

function misfit(opened: OpenedDemonstrations | null): FineTuneEstimate['refusal'] {
  const problem = opened?.info.problems[0];
  if (!problem) return null;
  const { found, needed, hint } = problem;
  return { message: `The demonstrations do not fit: ${found}, needed ${needed}.`, hint };
}
