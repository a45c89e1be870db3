/** What crosses the boundary to the worker that makes packages of checkpoints. */
import type { BackendReport, CapabilityCheck, CapabilityReport } from './contract.ts';

/** Where a checkpoint is. A token is kept in memory only, and sent to the Hub only. */
export type CheckpointSource =
  | { kind: 'address'; address: string; token?: string }
  | { kind: 'files'; files: { path: string; file: File }[] };

/** What is chosen about the package. */
export interface CheckpointChoices {
  bits: 4 | 8;
  /** Statistics to un-normalise with; default: the first. */
  unnormKey?: string;
  /** How action tokens come out, where the files do not tell. */
  decoding?: 'autoregressive' | 'parallel';
  /** A head of OpenVLA-OFT to be taught on it. */
  teach?: 'l1' | 'diffusion' | 'discrete';
}

/** What a checkpoint is and takes: known from its configuration and headers, before any weight is fetched. */
export interface CheckpointReport {
  /** The address that its package is opened by. */
  url: string;
  name: string;
  /** What it is taken for, and why. */
  told: string[];
  parameters: number;
  robot: string;
  unnormKeys: string[];
  defaultUnnormKey: string;
  /** Whether it has no head, so that its tokens may come out in two ways. */
  choosesDecoding: boolean;
  /** Bytes of weights to read: to fetch, where they are not on this machine. */
  sourceBytes: number;
  remote: boolean;
  /** Files that are compared with the hashes their place gives, of all. */
  checkedFiles: number;
  files: number;
  /** On this device afterwards. */
  packageBytes: number;
  /** How fast this machine converts, bytes of weights a second. */
  bytesPerSecond: number;
  verdict: CapabilityReport['verdict'];
  backend: BackendReport;
  checks: CapabilityCheck[];
  state: 'new' | 'begun' | 'stored';
  /** What is on this device was made from other files; it is replaced. */
  outdated: boolean;
}

export interface ConvertProgress {
  /** Bytes of weights that are converted, of `total`. */
  done: number;
  total: number;
  /** Of these, what is kept if the page is closed now. */
  kept: number;
  /** The tensor converted last. */
  name: string;
}

/** A conversion that was begun on this device. */
export interface BegunConversion {
  key: string;
  name: string;
  /** What was given: an address, or a folder's name. */
  from: string;
  kind: 'address' | 'folder';
  bits: 4 | 8;
  /** 0…1. */
  kept: number;
  packageBytes: number;
}

export interface ConvertWorker {
  /** Reads configuration and headers only. */
  inspect(source: CheckpointSource, choices: CheckpointChoices): Promise<CheckpointReport>;
  /**
   * Fetches, converts and keeps it; goes on where an earlier call stopped. Rejects with `cancelled` after `pause`, with `busy` while another goes on.
   * @returns the address that its package is opened by
   */
  convert(
    source: CheckpointSource,
    choices: CheckpointChoices,
    onProgress: (progress: ConvertProgress) => void,
  ): Promise<string>;
  /** Stops what goes on; what is converted stays. */
  pause(): Promise<void>;
  begun(): Promise<BegunConversion[]>;
  /** Deletes what was converted so far. */
  discard(key: string): Promise<void>;
}
