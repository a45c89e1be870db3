/**
 * What crosses the boundary between the page and the policy worker: plain data and one interface.
 * No tensor and no GPU handle appears here. Buffers, frames and canvases are moved, not copied (see transfer.ts).
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { AdaptersApi } from './contract-adapters.ts';
import type { DemonstrationsApi } from './contract-demonstrations.ts';
import type { TrainingApi } from './contract-finetune.ts';
import type { Cancellable, LeaseState } from './contract-lease.ts';

/** An error as data; calls of a worker reject with exactly these fields (see transfer.ts). */
export interface WorkerError {
  code: ErrorCode | 'unknown';
  message: string;
  hint: string;
}

/** Where the user wants it to run; `auto` lets the machine decide, `webgpu-ort` is onnxruntime on WebGPU instead of our own executor. */
export type BackendPreference = 'auto' | 'webgpu' | 'webgpu-ort' | 'wasm';

export interface BackendReport {
  backend: 'webgpu' | 'wasm';
  /** Why this one, in a sentence for the user. */
  reason: string;
  /** The GPU adapter that was found, also when it is not used. */
  adapter: { vendor: string; architecture: string; description: string; isFallback: boolean } | null;
  threads: number;
  /** How WebGPU computes, once a policy is loaded; null on the CPU, and where onnxruntime was asked for. */
  gpu: GpuReport | null;
}

/** What was checked on the GPU, what was measured, and what is not used there. */
export interface GpuReport {
  executor: 'own' | 'onnxruntime';
  check: {
    /** Kernels that computed what they should. */
    right: readonly string[];
    /** `replacement` is the kernel that computes instead; null where every one was wrong, so that onnxruntime computes. */
    faults: readonly { kernel: string; check: string; problem: string; replacement: string | null }[];
    /** Milliseconds; null for a check of an earlier visit. */
    elapsedMs: number | null;
  } | null;
  /** Products by shape: the variant in use, milliseconds by variant where they were measured in this visit, and variants that were wrong. */
  tuned: readonly {
    shape: string;
    variant: string;
    times: Readonly<Record<string, number>> | null;
    wrong: readonly string[];
  }[];
}

export interface CapabilityCheck {
  id: 'memory' | 'gpu' | 'threads' | 'storage' | 'limits' | 'version';
  label: string;
  status: 'ok' | 'warn' | 'fail';
  found: string;
  needed: string;
  hint: string;
}

/** Answer to "can this machine run that package?", known before any shard is downloaded. */
export interface CapabilityReport {
  verdict: 'ok' | 'slow' | 'no';
  backend: BackendReport;
  checks: CapabilityCheck[];
  package: PackageSummary;
}

export interface PackageSummary {
  url: string;
  name: string;
  description: string;
  /** SHA-256 of the manifest, hex. */
  hash: string;
  byteLength: number;
  parameters: number;
  /** True when every shard is on this device already. */
  stored: boolean;
}

export interface LoadProgress {
  phase: 'manifest' | 'shards' | 'upload' | 'compile';
  /** Bytes done and to do of the current phase. */
  loaded: number;
  total: number;
  shards: {
    name: string;
    loaded: number;
    total: number;
    state: 'waiting' | 'stored' | 'downloading' | 'verifying' | 'refetching' | 'done';
  }[];
}

export interface PolicyInfo {
  package: PackageSummary;
  /** Files whose stored or downloaded copy was damaged and that were fetched again during this load. */
  repaired: string[];
  backend: BackendReport;
  /** The robot's name. */
  robot: string;
  /** True for the robot and head of an adapter; false for the package's own. */
  adapted: boolean;
  head: 'l1' | 'diffusion' | 'discrete' | 'autoregressive' | 'bridge';
  /** One entry per image the policy wants, in the order upstream stacks them. */
  imageSlots: { name: string; label: string }[];
  /** Size of what the model sees, pixels. */
  imageSize: { width: number; height: number };
  centerCrop: boolean;
  /** Names and units of the state vector, or null where the policy takes no proprio. */
  state: { name: string; unit: string }[] | null;
  /**
   * Where the state inputs start and what "reset" gives, per unnorm key: the mean of the proprio statistics,
   * in the units of `state`. Null where the policy takes no proprio.
   */
  neutralState: Record<string, number[]> | null;
  /** Keys of the statistics in the package; one of them un-normalises the actions. */
  unnormKeys: string[];
  defaultUnnormKey: string;
  chunkSize: number;
  actions: { name: string; unit: string }[];
  /** Where the actions of the training data lie, per unnorm key, in real units: 1st and 99th percentile. */
  actionRange: Record<string, { q01: number[]; q99: number[] }>;
  /** Control rate the policy was trained for, Hz. */
  controlHz: number;
  /** DDIM steps of the diffusion head, null for the others. */
  diffusionSteps: number | null;
}

/** An RGBA image, 8 bit. */
export interface RawImage {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** A camera or video frame. The worker closes VideoFrame and ImageBitmap, however the call ends. */
export type Frame = VideoFrame | ImageBitmap | RawImage;

export interface Observation {
  /** One frame per image slot. */
  images: Frame[];
  instruction: string;
  /** Raw (not normalised) state, in the units of `PolicyInfo.state`; null where it takes none. */
  state: number[] | null;
  unnormKey: string;
  /** Seed of the diffusion head's initial noise. */
  seed?: number;
}

export interface Prediction {
  /** [chunkSize][actions] in real units. */
  actions: number[][];
  /** [chunkSize][actions] as the head gives them, in -1…1 for the normalised dimensions. */
  normalized: number[][];
  /** What the model saw, one per slot, after resize and crop. */
  seen: RawImage[];
  /** Time per stage in order, milliseconds. */
  stages: { name: string; elapsedMs: number }[];
  elapsedMs: number;
  /** Key of the statistics used: the one asked for, or the adapter's own while one is in use. */
  unnormKey: string;
  /** The prompt and its token ids as fed to the model. */
  prompt: string;
  promptTokens: number;
}

/** A package on this device. */
export interface StoredPackage {
  readonly key: string;
  readonly url: string | null;
  readonly name: string;
  readonly hash: string;
  readonly byteLength: number;
  readonly complete: boolean;
}

/** Packages on this device. */
export interface PackagesApi {
  list(): Promise<StoredPackage[]>;
  /** Compares every hash. @returns paths of damaged or missing files */
  check(key: string, onProgress: (done: number, total: number) => void): Promise<string[]>;
  remove(key: string): Promise<void>;
  /** The same by the address it was loaded from. */
  removeUrl(url: string): Promise<void>;
  /** Keeps a package that lies in a folder. @returns the address to load it by */
  storeFolder(
    files: { path: string; file: File }[],
    onProgress: (done: number, total: number) => void,
  ): Promise<string>;
}

/**
 * The worker's interface. Only one policy is loaded at a time, and one thing is done with it at a time: calls wait their turn. While a policy is
 * loaded or disposed of, everything that needs one rejects with `busy`; what was waiting rejects with `cancelled`.
 */
export interface PolicyWorker {
  readonly packages: PackagesApi;
  readonly demonstrations: DemonstrationsApi;
  readonly training: TrainingApi;
  readonly adapters: AdaptersApi;
  /** Calls back now, and whenever the state changes. */
  watch(onState: (state: LeaseState) => void): Promise<void>;
  /** Calls back whenever what predicts is another: the loaded policy, or an adapter over it with its own robot, head and statistics. */
  watchInUse(onInfo: (info: PolicyInfo) => void): Promise<void>;
  /** Asks for what goes on, and what waits, to stop; resolves at once. */
  cancel(what: Cancellable): Promise<void>;
  /** Reads the manifest only; downloads no shard. Rejects with `no-webgpu` where that is asked for and not there. */
  inspect(url: string, backend: BackendPreference): Promise<CapabilityReport>;
  /**
   * Downloads what is missing, checks it, uploads it. A run that goes on is stopped with a checkpoint first; a load that goes on is cancelled. The
   * policy before stays until everything of the new one is on this device, and is used again when that fails.
   */
  load(
    url: string,
    backend: BackendPreference,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<PolicyInfo>;
  predict(observation: Observation): Promise<Prediction>;
  /** Answers predictions at this end of a channel, too: a robot's worker need not go through the page. */
  serve(port: MessagePort): Promise<void>;
  /** Resize and crop only: what the model would see of each frame. */
  preview(images: Frame[]): Promise<RawImage[]>;
  /** Frees the policy and the device; a run that goes on is stopped with a checkpoint first. */
  dispose(): Promise<void>;
}
