/** Policy packages on this device. */
import { create } from 'zustand';
import type { StoredPackage } from '../../workers/contract.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { toFailure, type Failure } from '../status/failure.ts';

interface ModelsState {
  models: readonly StoredPackage[];
  /** Bytes, where the browser tells. */
  room: { readonly usage: number; readonly quota: number } | null;
  /** What the last check of a package said, by its key. */
  checks: Readonly<Record<string, string>>;
  failure: Failure | null;
}

export const useModelsStore = create<ModelsState>()(() => ({
  models: [],
  room: null,
  checks: {},
  failure: null,
}));

const set = useModelsStore.setState;

export async function refreshModels(): Promise<void> {
  try {
    const models = await policyWorker().storedPackages();
    const { usage, quota } = await navigator.storage.estimate();
    set({ models, room: usage === undefined || quota === undefined ? null : { usage, quota } });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

export async function checkModel({ key }: StoredPackage): Promise<void> {
  const say = (text: string) => set(({ checks }) => ({ checks: { ...checks, [key]: text }, failure: null }));
  say('Checking…');
  try {
    const damaged = await policyWorker().checkStored(key, (done, total) =>
      say(`Checking, ${done} of ${total} files`),
    );
    say(
      damaged.length === 0
        ? 'Every file is as its manifest says.'
        : `Damaged or missing: ${damaged.join(', ')}. Loading it fetches them again.`,
    );
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

export async function removeModel({ key }: StoredPackage): Promise<void> {
  try {
    await policyWorker().removeStored(key);
    set({ failure: null });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
  await refreshModels();
}
