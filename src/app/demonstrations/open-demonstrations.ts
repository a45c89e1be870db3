/** The demonstrations that are open: read, changed, reviewed and closed. */
import { readingText, type OpenOptions } from '../../episodes/reading.ts';
import type {
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdit,
  EpisodeEdits,
} from '../../workers/boundary/contract-demonstrations.ts';
import { refreshEstimate } from '../finetune/estimate-session.ts';
import { useFineTuneStore, type Origin } from '../finetune/finetune-store.ts';
import { optionsFor } from '../finetune/robot-session.ts';
import { newRunName } from '../finetune/run-name.ts';
import { failed } from '../finetune/worker-calls.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { loadedPolicy } from '../policy/policy-store.ts';
import { remember, type RememberedDemonstrations } from '../remembered.ts';
import type { Failure } from '../status/failure.ts';
import { forgetChanges } from '../undo/undo-store.ts';
import { chosenReading, keepReading } from './chosen-reading.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

let opening = 0;

/** Where the demonstrations that are open came from: to read the same files in another way. */
let lastSource: DemonstrationsSource | null = null;

/** What is open. */
export const openInfo = (): DemonstrationsInfo | null => {
  const { demonstrations } = get();
  return demonstrations.kind === 'open' ? demonstrations.info : null;
};

/** The reading that a run to be resumed needs, where nothing else was asked for. */
function readingOfRun(source: DemonstrationsSource): OpenOptions | null {
  const { resuming, runs } = get();
  if (!resuming || source.kind === 'recorded' || source.options) return null;
  return runs.find((info) => info.run === resuming)?.demonstrations.reading ?? null;
}

/** The run's features are not there: said with what they are. */
function notAsRun(error: unknown, name: string | null, reading: OpenOptions): Failure {
  const failure = failed(error);
  if (failure.code !== 'bad-input') return failure;
  return {
    ...failure,
    message: `“${name}” read its demonstrations as ${readingText(reading)}. These cannot be read so: ${failure.message}`,
  };
}

export interface OpenedAs {
  readonly origin: Origin;
  /** What is changed of them already. */
  readonly edits: EpisodeEdits;
  /** The same ones, and more: what was changed can still be taken back. */
  readonly more?: boolean;
  /** How they are read was chosen by the visitor just now: it is kept for the next time. */
  readonly chosen?: boolean;
}

/** Where the demonstrations that are open can be read from again, in this visit. */
export function openedSource(): DemonstrationsSource | null {
  return lastSource;
}

/**
 * Reads demonstrations in place of those that were open. Why that fails is shown.
 * @param as where they came from
 * @returns whether they are open now
 */
export async function readDemonstrations(
  asked: DemonstrationsSource,
  as: OpenedAs = { origin: 'dataset', edits: {} },
): Promise<boolean> {
  const mine = ++opening;
  const ofRun = readingOfRun(asked);
  let source = ofRun && asked.kind !== 'recorded' ? { ...asked, options: ofRun } : asked;
  if (!as.more) forgetChanges('demonstrations');
  set({ demonstrations: { kind: 'opening', done: 0, total: 0 }, failure: null });
  try {
    const { demonstrations } = policyWorker();
    const open = () =>
      demonstrations.open(source, (done, total) => {
        if (mine === opening) set({ demonstrations: { kind: 'opening', done, total } });
      });
    let info = await open();
    const chosen = source.kind === 'recorded' || source.options ? null : chosenReading(info);
    if (chosen && source.kind !== 'recorded' && mine === opening) {
      source = { ...source, options: chosen };
      info = await open();
    }
    const edits = as.origin === 'dataset' ? storedEdits(info) : as.edits;
    if (Object.keys(edits).length > 0) info = await demonstrations.edit(edits);
    if (mine !== opening) return false;
    lastSource = source;
    // Before it is shown, which says whether it is the visitor's choice.
    if (as.chosen) keepReading(info);
    const { options, runs, adapters } = get();
    const name = options.run || newRunName(info.name, new Date(), runs);
    set({
      demonstrations: { kind: 'open', info },
      options: { ...options, run: name, ...optionsFor(info, options, adapters) },
      origin: as.origin,
      edits: info.edits,
      findings: { kind: 'none' },
    });
    void review();
    if (source.kind === 'url')
      rememberOpen({ kind: 'url', url: source.url, options: source.options ?? null });
    else if (source.kind !== 'recorded') rememberOpen(null);
    return true;
  } catch (error) {
    // Others are being opened in place of these.
    if (mine !== opening) return false;
    const failure = ofRun ? notAsRun(error, get().resuming, ofRun) : failed(error);
    set({ demonstrations: { kind: 'failed', failure }, estimate: { kind: 'none' } });
    return false;
  }
}

/** @param as how the demonstrations that are open can be had again at the next visit; null where they cannot */
export function rememberOpen(as: RememberedDemonstrations | null): void {
  const policy = loadedPolicy()?.package.hash;
  if (policy) void remember(policy, 'demonstrations', as);
}

const editsKey = ({ name, recorded }: DemonstrationsInfo): string =>
  `edits of ${name}, ${recorded.length} episodes, ${recorded.reduce((sum, { length }) => sum + length, 0)} steps`;

/** Edits of a dataset that was open before; those of another one by the same name do not fit and are dropped by the worker. */
function storedEdits(info: DemonstrationsInfo): EpisodeEdits {
  try {
    return JSON.parse(localStorage.getItem(editsKey(info)) ?? '{}') as EpisodeEdits;
  } catch {
    return {};
  }
}

/** For the next visit. They are in use whether or not there is room for that. */
function storeEdits(info: DemonstrationsInfo, edits: EpisodeEdits): void {
  try {
    localStorage.setItem(editsKey(info), JSON.stringify(edits));
  } catch {
    set({ failure: editsNotKept });
  }
}

export const editsNotKept: Failure = {
  code: 'storage-full',
  message: 'The change is in effect, but there is no room to save it for your next visit.',
  hint: 'Save the demonstrations as a dataset, or free storage for this site.',
};

/** Changes one episode; statistics and what can be trained on follow. @returns whether it is changed; why not is shown */
export async function editEpisode(index: number, change: EpisodeEdit): Promise<boolean> {
  const { demonstrations, origin } = get();
  if (demonstrations.kind !== 'open') return false;
  const mine = opening;
  try {
    // Only what changes: the worker has the edits before it, also those that are on their way.
    const info = await policyWorker().demonstrations.edit({ [index]: change });
    if (mine !== opening) return false;
    const { edits } = info;
    set({ edits, demonstrations: { kind: 'open', info }, failure: null });
    if (origin === 'dataset') storeEdits(info, edits);
    void review();
    // Not waited for: the change is made, and whoever takes it back at once must find it.
    void refreshEstimate();
    return true;
  } catch (error) {
    set({ failure: failed(error) });
    return false;
  }
}

let reviewing = 0;

/** What should be known before training on them. */
async function review(): Promise<void> {
  const mine = ++reviewing;
  const { demonstrations } = get();
  // What cannot be trained on, or not even decoded, says so already; a review says which episodes hold values that are not numbers.
  if (demonstrations.kind !== 'open' || demonstrations.info.problems.some(({ id }) => id !== 'not-finite')) {
    set({ findings: { kind: 'none' } });
    return;
  }
  try {
    const findings = await policyWorker().demonstrations.review((done, total) => {
      if (mine === reviewing) set({ findings: { kind: 'looking', done, total } });
    });
    if (mine === reviewing) set({ findings: { kind: 'found', findings } });
  } catch (error) {
    if (mine === reviewing) set({ findings: { kind: 'none' }, failure: failed(error) });
  }
}

export async function closeDemonstrations(): Promise<void> {
  try {
    // Before what is being opened says that it was cancelled.
    reviewing++;
    opening++;
    await policyWorker().demonstrations.close();
    rememberOpen(null);
    forgetChanges('demonstrations');
    set({
      demonstrations: { kind: 'none' },
      estimate: { kind: 'none' },
      resuming: null,
      edits: {},
      findings: { kind: 'none' },
    });
  } catch (error) {
    set({ failure: failed(error) });
  }
}
