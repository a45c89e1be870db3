/** Adapters: which one is in use, what they are called, and their way in and out. */
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { canUndo } from '../undo/undo-store.ts';
import { setOptions } from './estimate-session.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { nameAdapter, ownName, putOnList, takeOffList } from './own-adapters.ts';
import { compareAgain, teachFrom } from './robot-session.ts';
import { act, adapterChanged, refreshRuns } from './worker-calls.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

export async function chooseAdapter(id: string | null): Promise<void> {
  // At once, so that the choice follows the hand; what is really in use is asked afterwards.
  set({ active: id });
  await act(() => policyWorker().adapters.use(id));
  await adapterChanged();
  await compareAgain();
}

/** Another run goes on from an adapter, with what it is normalised by; null: from the policy as it was loaded. */
export function startFrom(id: string | null): void {
  setOptions(id === null ? { startFrom: null } : { startFrom: id, statistics: 'policy' });
  if (get().demonstrations.kind === 'open') void teachFrom(id);
}

/** Hands an adapter over as a download. */
export async function exportAdapter(
  { id, label, step }: AdapterInfo,
  kind: 'checkpoint' | 'merged',
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  await act(async () => {
    const zip = await policyWorker().adapters.exportZip(id, kind, onProgress);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(zip);
    link.download = `${`${label}--${step}`.replace(/[^\w.@ -]+/g, '-')}${kind === 'merged' ? '_merged' : '_chkpt'}.zip`;
    link.click();
    // The browser has taken hold of the blob once the click is handled.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

export async function importAdapter(files: readonly { path: string; file: File }[]): Promise<void> {
  const [first] = files;
  if (!first) return;
  const zip = files.length === 1 && /\.zip$/i.test(first.file.name);
  await act(async () => {
    const { adapters } = policyWorker();
    const { id } = await adapters.importFolder(
      zip ? { kind: 'zip', file: first.file } : { kind: 'files', files: [...files] },
    );
    putOnList(id);
    await adapters.use(id);
  });
  await adapterChanged();
}

/** Calls it otherwise, from now on and at later visits. */
export async function renameAdapter({ id, label }: AdapterInfo, name: string): Promise<void> {
  const before = ownName(id);
  const call = async (as: string | null): Promise<void> => {
    nameAdapter(id, as);
    await adapterChanged();
  };
  await call(name);
  canUndo({ said: `“${label}” renamed.`, about: 'adapters', undo: () => call(before) });
}

/** Takes it off the list; the checkpoints of its run stay. */
export async function removeAdapter({ id, label }: AdapterInfo): Promise<void> {
  const { active, options } = get();
  const inUse = active === id;
  if (inUse) await chooseAdapter(null);
  // It could not be put out of use.
  if (get().active === id) return;
  if (options.startFrom === id) startFrom(null);
  takeOffList(id);
  await refreshRuns();
  const undo = async (): Promise<void> => {
    putOnList(id);
    if (inUse) await chooseAdapter(id);
    else await refreshRuns();
    if (options.startFrom === id) startFrom(id);
  };
  canUndo({ said: `“${label}” deleted.`, about: 'adapters', undo });
}
