/** What crosses the boundary for adapters. */
import type { RobotChoice } from './contract-demonstrations.ts';

/** Where an adapter came from. */
export type AdapterOrigin =
  | { kind: 'run'; run: string }
  /** A checkpoint folder or zip that was handed over. */
  | { kind: 'imported' }
  /** A safetensors file. */
  | { kind: 'shared' };

/** Something trained that can be laid over the loaded policy. */
export interface AdapterInfo {
  /** Follows from all of what it holds and its label: equal ids mean equal adapters, in every tab and at any time. */
  id: string;
  /** The run's name, the imported folder's, or the share's title; for people, not unique. */
  label: string;
  step: number;
  trainable: number;
  origin: AdapterOrigin;
  /** The robot it is for, where that is not the policy's own. */
  robot: { name: string; actions: number; images: number; head: RobotChoice['head'] } | null;
}

/** What can be laid over the loaded policy: trained, opened or imported since it was loaded. */
export interface AdaptersApi {
  list(): Promise<{ adapters: AdapterInfo[]; active: string | null }>;
  /** Lays an adapter over the policy, or none; the base is not reloaded. Rejects with `busy` while a run goes on. */
  use(id: string | null): Promise<void>;
  /** One of a stored run's checkpoints as an adapter, without training; null for the newest. */
  openRun(run: string, step: number | null): Promise<AdapterInfo>;
  /** Upstream's checkpoint folder, or the merged model, as a zip. */
  exportZip(
    id: string,
    kind: 'checkpoint' | 'merged',
    onProgress: (done: number, total: number) => void,
  ): Promise<Blob>;
  /** A checkpoint folder or zip of ours or of upstream's finetune.py. Rejects for one that is damaged or belongs to another policy. */
  importFolder(
    source: { kind: 'zip'; file: File } | { kind: 'files'; files: { path: string; file: File }[] },
  ): Promise<AdapterInfo>;
  /** An adapter as one safetensors file, for sharing: numbers and text only. */
  file(id: string): Promise<{ file: Blob; sha256: string }>;
  /** The inverse. Rejects with `bad-file` or `bad-shape` for what is damaged or belongs to another policy; nothing is changed then. */
  openFile(file: Blob, label: string): Promise<AdapterInfo>;
}
