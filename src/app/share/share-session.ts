/** Making a link: what is in use now, as a manifest; the adapter goes to the share server, or where its maker puts it. */
import { createShare, deleteShare, shareServer, uploadAdapter } from '../../share/share-client.ts';
import { encodeShare, type ShareManifest } from '../../share/share-manifest.ts';
import { askedFor, goalOf, tasksOf } from '../../practice/tasks.ts';
import { useCompareStore } from '../finetune/compare-store.ts';
import { pageRoot } from '../page-root.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { currentPolicy } from '../policy/policy-store.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import type { TableLayout } from '../../workers/boundary/contract-practice.ts';
import { toFailure } from '../status/failure.ts';
import { canUndo } from '../undo/undo-store.ts';
import { defaultPolicyUrl } from '../url-state.ts';
import { useViewStore } from '../view-store.ts';
import { useShareStore, type OwnShare } from './share-store.ts';

const set = useShareStore.setState;
const OWN = 'openvla-web shares';

export interface ShareText {
  readonly title: string;
  readonly author: string;
  readonly note: string;
  /** Where others get the policy, where that is not where this page has it from; else null. */
  readonly policyUrl: string | null;
}

/** Whether a package came from a folder on this device: nobody else can get it from there. */
export function isLocal(packageUrl: string): boolean {
  return packageUrl.startsWith('package:');
}

/** Asks for the server, and reads what this browser shared before. */
export async function prepareSharing(): Promise<void> {
  try {
    set({ own: JSON.parse(localStorage.getItem(OWN) ?? '[]') as OwnShare[] });
  } catch {
    set({ own: [] });
  }
  await lookForServer();
}

/** Whether this page can be shared by its own server; asked again once that can be reached. */
export async function lookForServer(): Promise<void> {
  set({ server: null });
  set({ server: await shareServer() });
}

function keepOwn(own: readonly OwnShare[]): void {
  set({ own });
  localStorage.setItem(OWN, JSON.stringify(own));
}

const successes = (trials: readonly { success: boolean }[]) => trials.filter(({ success }) => success).length;

/** What a share of the present state says. @param adapter null for the policy as it was loaded */
export function manifestOf(
  { policyUrl, ...text }: ShareText,
  adapter: ShareManifest['adapter'],
): ShareManifest {
  const info = currentPolicy()!;
  const { active, adapters, runs } = useFineTuneStore.getState();
  const { table, ensembling, speedLimit } = usePracticeStore.getState();
  const shared = adapter && adapters.find(({ id }) => id === active);
  const origin = shared?.origin;
  const run = origin?.kind === 'run' ? runs.find((one) => one.run === origin.run) : null;
  const { comparisons } = useCompareStore.getState();
  return {
    formatVersion: 1,
    ...text,
    createdAt: new Date().toISOString(),
    policy: {
      name: info.package.name,
      sha256: info.package.hash,
      url:
        info.package.url === defaultPolicyUrl()
          ? null
          : (policyUrl ?? new URL(info.package.url, location.href).href),
    },
    adapter,
    scene: {
      view: useViewStore.getState().view,
      ...sceneOf(run?.demonstrations.instructions ?? [], table),
      execute: null,
      ensemble: ensembling,
      ...(speedLimit < 1 && { speedLimit }),
    },
    training:
      shared && run
        ? {
            demonstrations: {
              name: run.demonstrations.name.slice(0, 200),
              episodes: run.demonstrations.episodes,
              steps: run.demonstrations.steps,
            },
            // Of this checkpoint; the run may have gone on.
            steps: shared.step,
            batchSize: run.options.batchSize * run.options.gradAccumulationSteps,
            learningRate: run.options.learningRate,
            lora: run.options.lora && {
              ...run.options.lora,
              targets:
                typeof run.options.lora.targets === 'string'
                  ? run.options.lora.targets
                  : run.options.lora.targets.pattern.slice(0, 200),
            },
            seed: run.options.seed,
            statistics: run.options.statistics,
            ...(run.options.startFrom === null ? {} : { startedFrom: run.options.startFrom.slice(0, 200) }),
          }
        : null,
    success: comparisons
      .filter(
        ({ before, after }) =>
          after.trials.length > 0 && (before.otherRobot || before.trials.length === after.trials.length),
      )
      .filter(({ after }) => after.adapter === active)
      .map(({ task, heldOut, before, after }) => ({
        task,
        heldOut,
        episodes: after.trials.length,
        before: before.otherRobot ? null : successes(before.trials),
        after: successes(after.trials),
      })),
  };
}

/** How many layouts of a task are looked through for one whose words are those that were taught. */
const LAYOUTS = 500;

/**
 * What the link opens with: the words that were taught, on a table where they can be done; without any, what is there now.
 * @param taught the most frequent first
 */
export function sceneOf(
  taught: readonly string[],
  table: TableLayout | null,
): Pick<ShareManifest['scene'], 'task' | 'seed' | 'robot' | 'instruction'> {
  const now = useInstructionStore.getState().text.trim().slice(0, 300);
  const { robot = 'gripper' } = table ?? {};
  // Its own gripper needs no word, and shares without one are of it.
  const who = robot === 'gripper' ? {} : { robot };
  const here = { task: table?.task ?? null, seed: table?.seed ?? null, ...who };
  const [first] = taught;
  if (first === undefined || taught.includes(now)) return { ...here, instruction: now };
  const instruction = first.slice(0, 300);
  const found = goalOf(first);
  if (!found || !table || !tasksOf(robot).includes(found.task)) return { ...here, instruction };
  // Every layout of the task has what its instructions speak of, but not each has all of them.
  for (let seed = table.seed; seed < table.seed + LAYOUTS; seed++) {
    if (JSON.stringify(askedFor(found.task, seed).goal) === JSON.stringify(found.goal))
      return { task: found.task.name, seed, ...who, instruction };
  }
  return { ...here, instruction };
}

let upload: AbortController | null = null;

/** Uploads the adapter in use, if any, and publishes the share. */
export async function shareOnServer(text: ShareText): Promise<void> {
  const { active } = useFineTuneStore.getState();
  upload = new AbortController();
  set({ work: { kind: 'uploading', sent: 0, total: 1, waiting: false }, failure: null });
  try {
    let adapter: ShareManifest['adapter'] = null;
    if (active !== null) {
      const { file, sha256 } = await policyWorker().adapters.file(active);
      await uploadAdapter(file, sha256, {
        signal: upload.signal,
        onProgress: (sent, total) => set({ work: { kind: 'uploading', sent, total, waiting: false } }),
        onRetry: () =>
          set(({ work }) => (work.kind === 'uploading' ? { work: { ...work, waiting: true } } : {})),
      });
      adapter = { sha256, bytes: file.size, url: null };
    }
    const { id, token, url } = await createShare(manifestOf(text, adapter));
    const share: OwnShare = {
      title: text.title,
      url: new URL(url, location.origin).href,
      createdAt: new Date().toISOString(),
      server: { id, token },
    };
    keepOwn([share, ...useShareStore.getState().own]);
    set({ work: { kind: 'done', share } });
  } catch (error) {
    set({ work: { kind: 'idle' }, failure: toFailure(error) });
  }
}

export function cancelSharing(): void {
  upload?.abort();
}

/** A link that carries the manifest itself. @param adapterUrl where its maker has put the adapter's file; null without an adapter */
export async function shareAsLink(text: ShareText, adapterUrl: string | null): Promise<void> {
  const { active } = useFineTuneStore.getState();
  set({ failure: null });
  try {
    let adapter: ShareManifest['adapter'] = null;
    if (active !== null) {
      const { file, sha256 } = await policyWorker().adapters.file(active);
      adapter = { sha256, bytes: file.size, url: adapterUrl };
    }
    const page = pageRoot();
    page.hash = `share=${await encodeShare(manifestOf(text, adapter))}`;
    const share: OwnShare = {
      title: text.title,
      url: page.href,
      createdAt: new Date().toISOString(),
      server: null,
    };
    keepOwn([share, ...useShareStore.getState().own]);
    set({ work: { kind: 'done', share } });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** Hands the adapter's file over, to be put on any host. */
export async function saveAdapterFile(): Promise<void> {
  const { active } = useFineTuneStore.getState();
  if (active === null) return;
  try {
    const { file, sha256 } = await policyWorker().adapters.file(active);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file);
    link.download = `adapter-${sha256.slice(0, 12)}.safetensors`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** Takes a share off the server; a link that carries everything is only forgotten here. */
export async function removeShare(share: OwnShare): Promise<void> {
  set({ failure: null });
  try {
    if (share.server) await deleteShare(share.server.id, share.server.token);
    const { own } = useShareStore.getState();
    keepOwn(own.filter((one) => one.url !== share.url));
    if (!share.server) {
      canUndo({
        said: `“${share.title}” removed from this list.`,
        about: 'links',
        undo: async () => keepOwn(own),
      });
    }
    const { work } = useShareStore.getState();
    if (work.kind === 'done' && work.share.url === share.url) set({ work: { kind: 'idle' } });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}
