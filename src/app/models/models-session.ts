/** Policy packages on this device. */
import { create } from 'zustand';
import type { StoredPackage } from '../../workers/boundary/contract.ts';
import type { HandedFile } from '../finetune/dropped-files.ts';
import { recordingsSize } from '../demonstrations/recordings.ts';
import { openPolicy, policyWorker } from '../policy/policy-session.ts';
import { toFailure, type Failure } from '../status/failure.ts';

/** Bytes on this device, by what they are. */
export interface Kept {
  readonly policies: number;
  readonly runs: number;
  readonly recordings: number;
  /** What the browser allows in all; null where it does not tell. */
  readonly quota: number | null;
}

interface ModelsState {
  models: readonly StoredPackage[];
  /** What is kept here; null before it was counted. */
  kept: Kept | null;
  /** What the last check of a package said, by its key. */
  checks: Readonly<Record<string, string>>;
  /** What is being done with a folder that is added. */
  adding: string | null;
  failure: Failure | null;
}

export const useModelsStore = create<ModelsState>()(() => ({
  models: [],
  kept: null,
  checks: {},
  adding: null,
  failure: null,
}));

const set = useModelsStore.setState;

const sum = (of: readonly { readonly byteLength: number }[]): number =>
  of.reduce((bytes, { byteLength }) => bytes + byteLength, 0);

export async function refreshModels(): Promise<void> {
  try {
    const models = await policyWorker().packages.list();
    set({ models });
    const [runs, recordings, estimate] = await Promise.all([
      policyWorker().training.runs(),
      recordingsSize(),
      // Missing on pages that are not secure.
      navigator.storage?.estimate?.(),
    ]);
    const kept = { policies: sum(models), runs: sum(runs), recordings: recordings.bytes };
    set({ kept: { ...kept, quota: estimate?.quota ?? null } });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

export async function checkModel({ key }: StoredPackage): Promise<void> {
  const say = (text: string) => set(({ checks }) => ({ checks: { ...checks, [key]: text }, failure: null }));
  say('Checking…');
  // Progress crosses on a port of its own, and may come after what it was about.
  let checking = true;
  try {
    const damaged = await policyWorker().packages.check(key, (done, total) => {
      if (checking) say(`Checking, ${done} of ${total} files`);
    });
    checking = false;
    say(
      damaged.length === 0
        ? 'Every file is as its manifest says.'
        : `Damaged or missing: ${damaged.join(', ')}. Loading it fetches them again.`,
    );
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** Keeps a package that lies in a folder on this machine, and opens it. */
export async function addFolder(files: readonly HandedFile[]): Promise<void> {
  set({ adding: 'Reading the folder…', failure: null });
  let storing = true;
  try {
    const url = await policyWorker().packages.storeFolder([...files], (done, total) => {
      if (storing) set({ adding: `Checking and keeping, ${done} of ${total} files` });
    });
    storing = false;
    await refreshModels();
    await openPolicy(url);
  } catch (error) {
    set({ failure: toFailure(error) });
  } finally {
    set({ adding: null });
  }
}

export async function removeModel({ key }: StoredPackage): Promise<void> {
  try {
    await policyWorker().packages.remove(key);
    set({ failure: null });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
  await refreshModels();
}
