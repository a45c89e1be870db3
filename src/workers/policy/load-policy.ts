import { ModelError } from '../../base/errors.ts';
import { parsePolicyConfig, type PolicyConfig } from '../../model/policy/config.ts';
import { createObserver } from '../../model/policy/observe.ts';
import { Policy } from '../../model/policy/policy.ts';
import type { Runtime } from '../../model/runtime/runtime.ts';
import {
  takenOver as reportTakenOver,
  WrongKernelsError,
  type KernelReport,
} from '../../model/runtime/webgpu/kernel-report.ts';
import type { PackageReader } from '../../model/weights/package-reader.ts';
import { inspectPackage, openPackage, type PackageInspection } from '../../model/weights/package.ts';
import { memoryShardStore } from '../../model/weights/shard-store.ts';
import type {
  BackendPreference,
  LoadProgress,
  Observation,
  PackageSummary,
  PolicyInfo,
} from '../boundary/contract.ts';
import type { LoadedPolicy } from './loaded-policy.ts';
import { policyInfo } from './policy-info.ts';
import { predictWith } from './predict.ts';
import { backendReport } from './backend-report.ts';
import type { Surroundings } from '../surroundings.ts';
import { Variants } from './variants.ts';

/** Bytes of a package that may be held in memory beside what computes. */
const MOST_IN_MEMORY = 100e6;

interface LoadRequest {
  readonly url: string;
  readonly backend: BackendPreference;
  readonly signal: AbortSignal;
  /** Called once everything is on this device: the policy before makes room. */
  readonly free: () => Promise<void>;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Hears what is in use whenever that changes. */
  readonly onInUse: (info: PolicyInfo) => void;
}

/**
 * Downloads what is missing, puts it on the device and compiles it. On failure everything that was put there is freed. Where our kernels
 * compute something of this policy wrong on this GPU, onnxruntime takes over.
 */
export async function loadPolicy(
  around: Surroundings,
  { url, backend, signal, free, onProgress, onInUse }: LoadRequest,
): Promise<{ held: LoadedPolicy; result: PolicyInfo }> {
  let shards: LoadProgress['shards'] = [];
  const report = (phase: LoadProgress['phase'], loaded: number, total: number) =>
    onProgress({ phase, loaded, total, shards });
  const repaired = new Set<string>();
  const options = { store: around.packages, fetch: around.fetch, signal };
  report('manifest', 0, 1);
  const inspection = await inspectPackage(url, options);
  const config = parsePolicyConfig(inspection.manifest.config);
  const { byteLength } = summaryOf(url, inspection);
  const { source, kept } = await openOrHold(url, byteLength, {
    ...options,
    onProgress: (files) => {
      shards = [...files];
      for (const { name, state } of files) if (state === 'refetching') repaired.add(name);
      const sum = (key: 'loaded' | 'total') => files.reduce((total, file) => total + file[key], 0);
      report('shards', sum('loaded'), sum('total'));
    },
  });
  const tokenizer = await source.tokenizer();
  const tokenize = await around.createTokenizer(tokenizer);

  await free();
  const { name } = inspection.manifest;
  const facts = { config, source, tokenize, tokenizer, name, url, hash: inspection.hash };
  const summary = { ...summaryOf(url, inspection), stored: kept };
  const put = async (takenOver?: KernelReport): Promise<{ held: LoadedPolicy; result: PolicyInfo }> => {
    const device: { lost: ModelError | null } = { lost: null };
    const { runtime, choice } = await around.startRuntime(
      backend,
      (error) => (device.lost = error),
      takenOver,
    );
    let policy: Policy | null = null;
    let variants: Variants | null = null;
    try {
      policy = await runtime.attempt(() =>
        Policy.load(config, source, runtime, {
          signal,
          onProgress: (loaded, total) => report('upload', loaded, total),
        }),
      );
      source.release();
      // Asked anew each time: more is tuned as more is compiled.
      const backendInfo = () => backendReport(choice, runtime);
      const observer = (of: PolicyConfig) => createObserver(of, runtime, around.readPixels);
      variants = new Variants(policy, observer(config), {
        source,
        observer,
        onChange: (of) => onInUse(policyInfo(of, summary, backendInfo(), [...repaired], of !== config)),
      });
      const held = { ...facts, runtime, variants, ...leased(policy, variants, runtime, device) };
      report('compile', 0, 1);
      const none = new AbortController().signal;
      await held.attempt(() => predictWith(held, greyObservation(config), { now: around.now, signal: none }));
      report('compile', 1, 1);
      return { held, result: policyInfo(config, summary, backendInfo(), [...repaired]) };
    } catch (error) {
      await variants?.dispose();
      await policy?.dispose();
      const before = runtime.kernelReport;
      await runtime.dispose();
      // The package is stored by now: nothing is downloaded again.
      if (error instanceof WrongKernelsError && !takenOver) return put(reportTakenOver(before, error.fault));
      throw error;
    }
  };
  return put();
}

/** A GPU that is lost explains every failure on it. */
function leased(
  policy: Policy,
  variants: Variants,
  runtime: Runtime,
  device: { readonly lost: ModelError | null },
): Pick<LoadedPolicy, 'attempt' | 'dispose'> {
  return {
    attempt: async (task) => {
      if (device.lost) throw device.lost;
      try {
        return await runtime.attempt(task);
      } catch (error) {
        throw device.lost ?? error;
      }
    },
    dispose: async () => {
      await variants.dispose();
      await policy.dispose();
      await runtime.dispose();
    },
  };
}

/** Grey images: predicting from them compiles graphs and kernels, so that the first real prediction is not slow. */
function greyObservation(config: PolicyConfig): Observation {
  const { profile, defaultUnnormKey } = config;
  const { imageSize } = config.network.vits[0]!;
  const statistics = config.statistics[defaultUnnormKey]!;
  return {
    images: profile.images.map(() => ({
      width: imageSize,
      height: imageSize,
      data: new Uint8ClampedArray(4 * imageSize * imageSize).fill(128),
    })),
    instruction: 'pick up the block',
    state: profile.state && [...(statistics.proprio?.mean ?? profile.state.map(() => 0))],
    unnormKey: defaultUnnormKey,
  };
}

/** The package, in memory until the page is closed where the disk has no room for it and it is small. @throws as `openPackage` */
async function openOrHold(
  url: string,
  byteLength: number,
  options: Parameters<typeof openPackage>[1],
): Promise<{ source: PackageReader; kept: boolean }> {
  try {
    return { source: await openPackage(url, options), kept: true };
  } catch (error) {
    const full = error instanceof ModelError && error.code === 'storage-full';
    if (!full || byteLength > MOST_IN_MEMORY) throw error;
    return { source: await openPackage(url, { ...options, store: memoryShardStore() }), kept: false };
  }
}

export function summaryOf(url: string, { manifest, hash, stored }: PackageInspection): PackageSummary {
  const { name, description, parameters, shards, tokenizer } = manifest;
  const byteLength = shards.reduce((sum, shard) => sum + shard.byteLength, tokenizer.byteLength);
  return { url, name, description, hash, byteLength, parameters, stored };
}
