/** Writes the demonstrations that are open as a LeRobot dataset: a zip, a folder, or a repository on the Hub. */
import type {
  DemonstrationsInfo,
  LeRobotForm,
  WriteTarget,
} from '../../workers/boundary/contract-demonstrations.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { toFailure } from '../status/failure.ts';
import { useExportStore } from './export-store.ts';

const set = useExportStore.setState;

export function setForm(change: Partial<LeRobotForm>): void {
  set(({ form }) => ({ form: { ...form, ...change }, status: { kind: 'none' } }));
}

export async function saveZip({ name }: DemonstrationsInfo): Promise<void> {
  const file = `${fileName(name)}-lerobot-${useExportStore.getState().form.version}.zip`;
  const zip = await write({ kind: 'zip' }, file);
  if (!zip) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(zip);
  link.download = file;
  link.click();
  // The browser has taken hold of the blob once the click is handled.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

type FolderPicker = (options: { mode: 'readwrite' }) => Promise<FileSystemDirectoryHandle>;

/** Null where the browser cannot write into a folder. */
export const folderPicker: FolderPicker | null =
  'showDirectoryPicker' in globalThis
    ? (options) =>
        (globalThis as unknown as { showDirectoryPicker: FolderPicker }).showDirectoryPicker(options)
    : null;

/** Asks for an empty folder, and fills it. */
export async function saveIntoFolder(): Promise<void> {
  let folder: FileSystemDirectoryHandle;
  try {
    folder = await folderPicker!({ mode: 'readwrite' });
  } catch (error) {
    // Closing the dialog is not a failure.
    if (error instanceof DOMException && error.name === 'AbortError') return;
    set({ status: { kind: 'failed', failure: toFailure(error) } });
    return;
  }
  await write({ kind: 'folder', folder }, folder.name);
}

/** Only after the user has seen and confirmed name and visibility. The token is passed on and forgotten. */
export async function pushToHub(
  repo: string,
  visibility: 'public' | 'private',
  token: string,
): Promise<void> {
  await write({ kind: 'hub', repo, visibility, token }, repo);
}

export async function stopWriting(): Promise<void> {
  await policyWorker().demonstrations.stopWriting();
}

async function write(target: WriteTarget, to: string): Promise<Blob | null> {
  set({ status: { kind: 'writing', to, done: 0, total: 0 } });
  try {
    const { zip, url, notes } = await policyWorker().demonstrations.write(
      target,
      useExportStore.getState().form,
      (done, total) => set({ status: { kind: 'writing', to, done, total } }),
    );
    set({ status: { kind: 'written', to, url, notes } });
    return zip;
  } catch (error) {
    const failure = toFailure(error);
    set({ status: failure.code === 'cancelled' ? { kind: 'none' } : { kind: 'failed', failure } });
    return null;
  }
}

const fileName = (name: string): string =>
  name.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'dataset';
