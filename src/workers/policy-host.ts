import { ModelError } from '../model/errors.ts';
import { assessCapability } from '../model/policy/capability.ts';
import { parsePolicyConfig, type PolicyConfig } from '../model/policy/config.ts';
import { demandOf } from '../model/policy/demand.ts';
import { gaussianNoise } from '../model/policy/noise.ts';
import { createObserver, type Observer } from '../model/policy/observe.ts';
import { Policy, StageClock } from '../model/policy/policy.ts';
import { createTokenizer } from '../model/policy/tokenizer.ts';
import { chooseBackend, currentHost, type BackendChoice } from '../model/runtime/backend.ts';
import { RunQueue } from '../model/runtime/run-queue.ts';
import { createWebRuntime } from '../model/runtime/web.ts';
import { opfsShardStore } from '../model/weights/opfs-store.ts';
import {
  inspectPackage,
  openPackage,
  checkStored,
  removePackage,
  removeStored,
  storedPackages,
  storeFolder,
  type PackageInspection,
} from '../model/weights/package.ts';
import type {
  BackendPreference,
  BackendReport,
  CapabilityReport,
  Frame,
  LoadProgress,
  Observation,
  PackageSummary,
  PolicyInfo,
  Prediction,
  RawImage,
  StoredPackage,
} from './contract.ts';
import { FineTuneHost } from './finetune-host.ts';
import { ortFiles } from './ort-files.ts';
import { policyInfo } from './policy-info.ts';
import { readPixels } from './read-pixels.ts';
import type { TrainablePolicy } from './trainable-policy.ts';

interface Loaded extends TrainablePolicy {
  readonly observer: Observer;
}

/** What the worker does, apart from its messages: one policy at a time, on one runtime. */
export class PolicyHost {
  readonly finetune = new FineTuneHost(() => this.#current());
  readonly #store = opfsShardStore();
  #loaded: Loaded | null = null;
  #loading: AbortController | null = null;
  /** The GPU was lost since the policy was loaded. */
  #lost: ModelError | null = null;

  async inspect(url: string, backend: BackendPreference): Promise<CapabilityReport> {
    const inspection = await inspectPackage(url, { store: this.#store });
    const config = parsePolicyConfig(inspection.manifest.config);
    const { choice } = await chooseBackend(currentHost(), backend);
    const { verdict, checks } = assessCapability(demandOf(inspection.manifest, config), {
      choice,
      deviceMemoryGib: (navigator as { deviceMemory?: number }).deviceMemory ?? null,
      storage: await storageEstimate(),
      alreadyStored: inspection.storedBytes,
    });
    return {
      verdict,
      backend: backendReport(choice),
      checks: [...checks],
      package: summaryOf(url, inspection),
    };
  }

  async load(
    url: string,
    backend: BackendPreference,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<PolicyInfo> {
    if (this.#loading)
      throw new ModelError('bad-input', 'A policy is being loaded already.', 'Cancel it first.');
    const loading = new AbortController();
    this.#loading = loading;
    try {
      return await this.#load(url, backend, loading.signal, onProgress);
    } finally {
      this.#loading = null;
    }
  }

  cancelLoad(): void {
    this.#loading?.abort();
  }

  /** Waits its turn: while a fine-tuning run goes on, that is the end of the current step. */
  async predict(observation: Observation): Promise<Prediction> {
    const loaded = this.#current();
    return loaded.turn.run(() => this.#predict(loaded, observation));
  }

  async #predict(
    { policy, observer, tokenize, runtime }: Loaded,
    observation: Observation,
  ): Promise<Prediction> {
    const start = performance.now();
    const clock = new StageClock(runtime.device);
    const { profile, head } = policy.config;
    const { pixels, seen } = await observer
      .observe(observation.images)
      .finally(() => close(observation.images));
    try {
      await clock.mark('image processor');
      const { prompt, ids } = policy.promptIds(observation.instruction, tokenize);
      const statistics = this.finetune.statistics ?? policy.config.statistics;
      const unnormKey = this.finetune.statistics ? Object.keys(statistics)[0]! : observation.unnormKey;
      const proprio = policy.normalizeState(observation.state, unnormKey, statistics);
      await clock.mark('prompt');
      const count = profile.chunkSize * profile.actions.length;
      const noise = head === 'diffusion' ? { noise: gaussianNoise(count, observation.seed ?? 0) } : {};
      const normalized = await policy.predict({ pixels, promptIds: ids, proprio, ...noise }, clock);
      return {
        actions: policy.unnormalize(normalized, unnormKey, statistics),
        normalized,
        seen: [...seen],
        stages: clock.stages,
        elapsedMs: performance.now() - start,
        unnormKey,
        prompt,
        promptTokens: ids.length,
      };
    } catch (error) {
      throw this.#lost ?? error;
    } finally {
      pixels.dispose();
    }
  }

  async preview(images: Frame[]): Promise<RawImage[]> {
    const { pixels, seen } = await this.#current()
      .observer.observe(images)
      .finally(() => close(images));
    pixels.dispose();
    return [...seen];
  }

  storedPackages(): Promise<StoredPackage[]> {
    return storedPackages(this.#store);
  }

  checkStored(key: string, onProgress: (done: number, total: number) => void): Promise<string[]> {
    return checkStored(key, this.#store, onProgress);
  }

  removeStored(key: string): Promise<void> {
    return removeStored(key, this.#store);
  }

  storeFolder(
    files: readonly { path: string; file: File }[],
    onProgress: (done: number, total: number) => void,
  ): Promise<string> {
    // The folder's own name comes first in every path.
    const inside = files.map(({ path, file }) => [path.slice(path.indexOf('/') + 1), file] as const);
    return storeFolder(new Map(inside), this.#store, onProgress);
  }

  async remove(url: string): Promise<void> {
    await removePackage(url, this.#store);
  }

  async dispose(): Promise<void> {
    const loaded = this.#loaded;
    await this.finetune.reset();
    this.#loaded = null;
    await loaded?.policy.dispose();
    await loaded?.runtime.dispose();
  }

  async #load(
    url: string,
    backend: BackendPreference,
    signal: AbortSignal,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<PolicyInfo> {
    const report = (
      phase: LoadProgress['phase'],
      loaded: number,
      total: number,
      shards: LoadProgress['shards'],
    ) => onProgress({ phase, loaded, total, shards });
    let shards: LoadProgress['shards'] = [];
    const repaired = new Set<string>();
    report('manifest', 0, 1, shards);
    const inspection = await inspectPackage(url, { store: this.#store, signal });
    const config = parsePolicyConfig(inspection.manifest.config);
    const reader = await openPackage(url, {
      store: this.#store,
      signal,
      onProgress: (files) => {
        shards = [...files];
        for (const { name, state } of files) if (state === 'refetching') repaired.add(name);
        const sum = (key: 'loaded' | 'total') => files.reduce((total, file) => total + file[key], 0);
        report('shards', sum('loaded'), sum('total'), shards);
      },
    });
    const tokenizer = await reader.tokenizer();
    const tokenize = await createTokenizer(tokenizer);

    await this.dispose();
    this.#lost = null;
    const { choice, adapter } = await chooseBackend(currentHost(), backend);
    const runtime = await createWebRuntime(choice, adapter, {
      files: ortFiles,
      onLost: (error) => (this.#lost = error),
    });
    try {
      const policy = await Policy.load(config, reader, runtime, {
        signal,
        onProgress: (loaded, total) => report('upload', loaded, total, shards),
      });
      reader.release();
      this.#loaded = {
        runtime,
        policy,
        tokenize,
        observer: createObserver(config, runtime, readPixels),
        tokenizer,
        name: inspection.manifest.name,
        source: reader,
        url,
        hash: inspection.hash,
        turn: new RunQueue(),
      };
      report('compile', 0, 1, shards);
      await this.#warmUp(config);
      report('compile', 1, 1, shards);
    } catch (error) {
      this.#loaded = null;
      await runtime.dispose();
      throw error;
    }
    return policyInfo(config, { ...summaryOf(url, inspection), stored: true }, backendReport(choice), [
      ...repaired,
    ]);
  }

  /** One prediction on grey images: compiles graphs and kernels, so that the first real one is not slow. */
  async #warmUp(config: PolicyConfig): Promise<void> {
    const { imageSize } = config.network.vits[0]!;
    const grey = () => ({
      width: imageSize,
      height: imageSize,
      data: new Uint8ClampedArray(4 * imageSize * imageSize).fill(128),
    });
    const statistics = config.statistics[config.defaultUnnormKey]!;
    await this.predict({
      images: config.profile.images.map(grey),
      instruction: 'pick up the block',
      state: config.profile.state && (statistics.proprio?.mean ?? config.profile.state.map(() => 0)),
      unnormKey: config.defaultUnnormKey,
    });
  }

  #current(): Loaded {
    if (this.#lost) throw this.#lost;
    if (!this.#loaded) throw new ModelError('bad-input', 'No policy is loaded.', 'Load one first.');
    return this.#loaded;
  }
}

function close(images: readonly Frame[]): void {
  for (const image of images) if ('close' in image) image.close();
}

async function storageEstimate(): Promise<{ quota: number; usage: number } | null> {
  const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
  return quota === undefined || usage === undefined ? null : { quota, usage };
}

function backendReport({ backend, reason, adapter, threads }: BackendChoice): BackendReport {
  return { backend, reason, adapter, threads };
}

function summaryOf(url: string, { manifest, hash, stored }: PackageInspection): PackageSummary {
  const { name, description, parameters } = manifest;
  return { url, name, description, hash, byteLength: bytesOf(manifest), parameters, stored };
}

function bytesOf({ tokenizer, shards }: PackageInspection['manifest']): number {
  return shards.reduce((sum, { byteLength }) => sum + byteLength, tokenizer.byteLength);
}
