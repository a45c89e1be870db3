import { encodeParts } from '../../convert/encode.ts';
import { checkpointUrl } from '../../convert/checkpoint-address.ts';
import { openCheckpointAddress, openCheckpointFiles } from '../../convert/open-source.ts';
import { planCheckpoint, shapesOf, type CheckpointPlan } from '../../convert/plan.ts';
import { runConversion } from '../../convert/run-conversion.ts';
import {
  beginConversion,
  endConversion,
  stateOf,
  unfinishedConversions,
} from '../../convert/stored-conversion.ts';
import { storedJournal } from '../../convert/stored-journal.ts';
import { storedTarget } from '../../convert/stored-target.ts';
import { checkableFiles } from '../../convert/whole-file-hash.ts';
import { ModelError } from '../../base/errors.ts';
import { assessCapability } from '../../model/policy/capability.ts';
import { headOf } from '../../model/heads/index.ts';
import { plannedDemandOf } from '../../model/finetune/gpu-demand.ts';
import { demandOf } from '../../model/policy/demand.ts';
import { packageKey } from '../../model/weights/package.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { storageFull } from '../../model/weights/shard-store.ts';
import type {
  BegunConversion,
  CheckpointChoices,
  CheckpointReport,
  CheckpointSource,
  ConvertProgress,
  ConvertWorker,
} from '../boundary/contract-convert.ts';
import type { ConvertSurroundings } from './convert-surroundings.ts';
import { backendReport } from '../policy/backend-report.ts';

/** Measured on a piece of this size, bytes of bfloat16. */
const MEASURED_BYTES = 2 ** 20;

interface Planned {
  readonly plan: CheckpointPlan;
  readonly url: string;
  readonly pack: string;
}

/** Makes policy packages of checkpoints, on this device; one at a time. */
export class ConvertHost implements ConvertWorker {
  readonly #around: ConvertSurroundings;
  #running: AbortController | null = null;

  constructor(around: ConvertSurroundings) {
    this.#around = around;
  }

  async inspect(source: CheckpointSource, choices: CheckpointChoices): Promise<CheckpointReport> {
    const around = this.#around;
    const { plan, url, pack } = await this.#plan(source, choices);
    const state = await stateOf(around.packages, pack, plan);
    const { layout, config, hashes, stretches } = plan;
    const choice = await around.chooseBackend();
    const rough = demandOf({ ...layout, tokenizer: { byteLength: plan.tokenizer.byteLength } }, config);
    const demand = await plannedDemandOf(rough, config, layout.tensors, choice);
    const { verdict, checks } = assessCapability(demand, {
      choice,
      deviceMemoryGib: around.deviceMemoryGib,
      storage: await around.storage(),
      alreadyStored: state.storedBytes,
    });
    const files = new Set(stretches.flatMap(({ file }) => (file ? [file] : [])));
    return {
      url,
      name: plan.description.name,
      told: told(plan),
      parameters: layout.parameters,
      robot: config.profile.name,
      unnormKeys: Object.keys(config.statistics),
      defaultUnnormKey: config.defaultUnnormKey,
      choosesDecoding: headOf(config).lmHead,
      sourceBytes: plan.sourceBytes,
      remote: source.kind === 'address',
      checkedFiles: checkableFiles(stretches, hashes).size,
      files: files.size,
      packageBytes: packageBytes(plan),
      bytesPerSecond: this.#speed(),
      verdict,
      backend: backendReport(await around.chooseBackend()),
      checks: [...checks],
      state: state.kind,
      outdated: state.outdated,
    };
  }

  async convert(
    source: CheckpointSource,
    choices: CheckpointChoices,
    onProgress: (progress: ConvertProgress) => void,
  ): Promise<string> {
    if (this.#running)
      throw new ModelError(
        'busy',
        'A checkpoint is being converted already.',
        'Wait until it is, or stop it.',
      );
    const running = new AbortController();
    this.#running = running;
    try {
      return await this.#convert(source, choices, running.signal, onProgress);
    } catch (error) {
      // What is cut off by the stop fails in many ways.
      if (!running.signal.aborted || (error instanceof ModelError && error.code === 'cancelled')) throw error;
      throw new ModelError('cancelled', 'The conversion was stopped.', 'Go on at any time.', {
        cause: error,
      });
    } finally {
      this.#running = null;
    }
  }

  async pause(): Promise<void> {
    this.#running?.abort();
  }

  async begun(): Promise<BegunConversion[]> {
    const found = await unfinishedConversions(this.#around.packages);
    return found.map(({ key, record: { name, from, kind, bits, packageBytes: bytes }, kept }) => {
      return { key, name, from, kind, bits, kept, packageBytes: bytes };
    });
  }

  async discard(key: string): Promise<void> {
    const { packages } = this.#around;
    await packages.exclusively(key, () => packages.removePackage(key));
  }

  async #convert(
    source: CheckpointSource,
    choices: CheckpointChoices,
    signal: AbortSignal,
    onProgress: (progress: ConvertProgress) => void,
  ): Promise<string> {
    const { packages } = this.#around;
    const { plan, url, pack } = await this.#plan(source, choices, signal);
    await packages.exclusively(
      pack,
      async () => {
        const { kind, storedBytes } = await stateOf(packages, pack, plan);
        if (kind === 'stored') return;
        if (kind === 'new') {
          await this.#refuseFullDisk(plan, storedBytes);
          await beginConversion(packages, pack, plan, {
            url,
            name: plan.description.name,
            ...fromOf(source),
            bits: choices.bits,
            packageBytes: packageBytes(plan),
          });
        }
        const encoders = this.#around.startEncoders();
        try {
          const journal = storedJournal(packages, pack);
          const { keepBytes } = this.#around.sizes ?? {};
          await runConversion(plan, storedTarget(packages, pack), {
            encoders,
            journal,
            signal,
            onProgress,
            ...(keepBytes ? { keepBytes } : {}),
          });
          await endConversion(packages, pack);
        } finally {
          await encoders.end();
        }
      },
      signal,
    );
    return url;
  }

  /** @throws ModelError `storage-full` */
  async #refuseFullDisk(plan: CheckpointPlan, storedBytes: number): Promise<void> {
    const storage = await this.#around.storage();
    if (!storage) return;
    const missing = packageBytes(plan) - storedBytes - (storage.quota - storage.usage);
    if (missing > 0) throw storageFull(plan.description.name, undefined, missing);
  }

  async #plan(source: CheckpointSource, choices: CheckpointChoices, signal?: AbortSignal): Promise<Planned> {
    const { fetch, hubUrl, wait } = this.#around;
    const folder =
      source.kind === 'files'
        ? await openCheckpointFiles(source.files)
        : await openCheckpointAddress(source.address, {
            fetch,
            ...(wait ? { wait } : {}),
            ...(hubUrl ? { hubUrl } : {}),
            ...(source.token ? { hubToken: source.token } : {}),
            ...(signal ? { signal } : {}),
          });
    const plan = await planCheckpoint(folder, choices, this.#around.sizes);
    const { from, kind } = fromOf(source);
    const content = kind === 'folder' ? { content: await contentOf(plan) } : {};
    const url = checkpointUrl({ from, kind, choices, ...content });
    return { plan, url, pack: await packageKey(url) };
  }

  /** Bytes of weights that this machine converts in a second, with nothing to wait for. */
  #speed(): number {
    const values = Uint16Array.from({ length: MEASURED_BYTES / 2 }, (_, i) => 0x3c00 + ((i * 7919) % 512));
    const part = { name: 'a sample', dtype: 'BF16', encoding: 'q4', columns: 1024, start: 0 } as const;
    const job = () => ({ bytes: values.slice().buffer, parts: [{ ...part, byteLength: MEASURED_BYTES }] });
    // The first time it is compiled.
    for (let i = 0; i < 3; i++) encodeParts(job());
    const measured = job();
    const start = this.#around.now();
    encodeParts(measured);
    return (1000 * this.#around.threads * MEASURED_BYTES) / Math.max(1, this.#around.now() - start);
  }
}

/** What it is taken for, and why; what can be chosen about it is asked beside this. */
function told({ family, config, assumed }: CheckpointPlan): string[] {
  const { kind, attention } = config.network.language;
  const keys = Object.keys(config.statistics).length;
  return [
    `This is ${family.name}${family.why}. Language model: ${kind}, ${attention}.`,
    ...(family.certain
      ? []
      : ['If it is the original OpenVLA, choose below that its tokens come one after the other.']),
    ...(assumed ? [assumed] : []),
    ...(keys > 1
      ? [`It has statistics of ${keys} datasets; choose those that its actions are un-normalised with.`]
      : []),
  ];
}

function fromOf(source: CheckpointSource): { from: string; kind: 'address' | 'folder' } {
  if (source.kind === 'address') return { from: source.address.trim(), kind: 'address' };
  const first = source.files[0]?.path ?? '';
  return { from: first.replace(/^\//, '').split('/')[0]!, kind: 'folder' };
}

/** Tells folders of one name apart. */
async function contentOf(plan: CheckpointPlan): Promise<string> {
  const facts = [
    [...shapesOf(plan.checkpoint)],
    plan.stretches.map(({ file }) => [file?.name, file?.byteLength]),
  ];
  return (await sha256Hex(new TextEncoder().encode(JSON.stringify(facts)))).slice(0, 12);
}

function packageBytes({ layout, tokenizer }: CheckpointPlan): number {
  return layout.shards.reduce((sum, { byteLength }) => sum + byteLength, tokenizer.byteLength);
}
