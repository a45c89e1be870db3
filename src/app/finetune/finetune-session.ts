/** What the page asks of the worker about fine-tuning, and what it makes of the answers. */
import { optionsOf, readingText, type OpenOptions } from '../../episodes/reading.ts';
import type {
  AdapterInfo,
  DemonstrationsInfo,
  DemonstrationsSource,
  EpisodeEdit,
  EpisodeEdits,
  FineTuneEvent,
  FineTuneOptions,
  RunInfo,
  StepPoint,
} from '../../workers/boundary/contract-finetune.ts';
import { chosenReading, keepReading } from '../demonstrations/chosen-reading.ts';
import { failPolicy, policyWorker } from '../policy/policy-session.ts';
import { currentPolicy, isTraining, loadedPolicy, usePolicyStore } from '../policy/policy-store.ts';
import { remember, type RememberedDemonstrations } from '../remembered.ts';
import { needsRestart, toFailure, type Failure } from '../status/failure.ts';
import { rememberAdapter, restoreAdapter } from './adapter-memory.ts';
import { canUndo, forgetChanges } from '../undo/undo-store.ts';
import { useFineTuneStore, type Origin } from './finetune-store.ts';
import { optionErrors } from './option-errors.ts';
import { asOwned, nameAdapter, ownName, putOnList, takeOffList } from './own-adapters.ts';
import { compareAgain, optionsFor, teachFrom } from './robot-session.ts';
import { newRunName } from './run-name.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

/** A dead worker or a lost GPU is the whole page's failure; everything else is the panel's. */
function failed(error: unknown): Failure {
  const failure = toFailure(error);
  if (needsRestart(failure.code)) failPolicy(failure);
  return failure;
}

/** Reads what is on this device: after loading a policy, and after every change. */
export async function refreshRuns(): Promise<void> {
  try {
    const [runs, { adapters, active }] = [
      await policyWorker().training.runs(),
      await policyWorker().adapters.list(),
    ];
    set({ runs, adapters: asOwned(adapters), active });
  } catch (error) {
    set({ failure: failed(error) });
  }
}

/** What lies over the policy has changed, or where it could be read from again. */
async function adapterChanged(): Promise<void> {
  await refreshRuns();
  // Of a worker that died nothing can be asked; the next visit finds what was remembered before.
  await rememberAdapter().catch(() => undefined);
}

/** After a policy was loaded: what is on this device, and the adapter that was in use at the last visit. */
export async function restoreRuns(): Promise<void> {
  await refreshRuns();
  try {
    if (await restoreAdapter()) await refreshRuns();
  } catch (error) {
    set({ failure: failed(error) });
  }
}

let opening = 0;

/** Where the demonstrations that are open came from: to read the same files in another way. */
let lastSource: DemonstrationsSource | null = null;

/** Reads the demonstrations that are open anew, with other features or another standardisation. */
export async function reopenDemonstrations(options: OpenOptions): Promise<void> {
  const source = lastSource;
  const before = openInfo()?.reading;
  if (!before || !source || source.kind === 'recorded') return;
  const chosen = { ...source, options: { ...optionsOf(before), ...options } };
  await openDemonstrations(chosen, { origin: 'dataset', edits: {}, chosen: true });
}

const openInfo = (): DemonstrationsInfo | null => {
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

interface OpenedAs {
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

/** Opens demonstrations in place of those that were open. @param as where they came from */
export async function openDemonstrations(
  asked: DemonstrationsSource,
  as: OpenedAs = { origin: 'dataset', edits: {} },
): Promise<void> {
  const mine = ++opening;
  const ofRun = readingOfRun(asked);
  let source = ofRun && asked.kind !== 'recorded' ? { ...asked, options: ofRun } : asked;
  if (!as.more) forgetChanges('demonstrations');
  set({ demonstrations: { kind: 'opening', done: 0, total: 0 }, failure: null });
  try {
    const { demonstrations } = policyWorker();
    // Progress crosses on a port of its own, and may come after what it was about.
    let reading = true;
    const open = () =>
      demonstrations.open(source, (done, total) => {
        if (reading && mine === opening) set({ demonstrations: { kind: 'opening', done, total } });
      });
    let info = await open();
    const chosen = source.kind === 'recorded' || source.options ? null : chosenReading(info);
    if (chosen && source.kind !== 'recorded' && mine === opening) {
      source = { ...source, options: chosen };
      info = await open();
    }
    reading = false;
    const edits = as.origin === 'dataset' ? storedEdits(info) : as.edits;
    if (Object.keys(edits).length > 0) info = await demonstrations.edit(edits);
    if (mine !== opening) return;
    lastSource = source;
    // Before it is shown, which says whether it is the visitor's choice.
    if (as.chosen) keepReading(info);
    const { options, resuming, runs, adapters } = get();
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
    if (resuming) await resumeRun(resuming);
    else await refreshEstimate();
  } catch (error) {
    // Others are being opened in place of these.
    if (mine !== opening) return;
    const failure = ofRun ? notAsRun(error, get().resuming, ofRun) : failed(error);
    set({ demonstrations: { kind: 'failed', failure }, estimate: { kind: 'none' } });
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

const editsNotKept: Failure = {
  code: 'storage-full',
  message: 'The change counts now, but there is no room to keep it for the next visit.',
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
    await refreshEstimate();
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

let estimateTimer = 0;
let question = 0;

/** Changes options and asks anew what they cost, once typing pauses. */
export function setOptions(change: Partial<FineTuneOptions>): void {
  set(({ options }) => ({ options: { ...options, ...change } }));
  clearTimeout(estimateTimer);
  estimateTimer = window.setTimeout(() => void refreshEstimate(), 300);
}

export async function refreshEstimate(): Promise<void> {
  const { options, demonstrations, estimate } = get();
  if (demonstrations.kind !== 'open' || isTraining() || Object.keys(optionErrors(options)).length > 0) return;
  const mine = ++question;
  set({ estimate: { kind: 'asking', last: estimate.kind === 'known' ? estimate.estimate : null } });
  try {
    const answer = await policyWorker().training.estimate(options);
    if (mine === question) set({ estimate: { kind: 'known', estimate: answer } });
  } catch (error) {
    if (mine === question) set({ estimate: { kind: 'failed', failure: failed(error) } });
  }
}

/** Steps of training between two looks at the sample; each costs one prediction. */
const LOOK_EVERY = 20;

/** Predicts the middle of the first episode: does it come closer to what was shown? */
async function look(step: number): Promise<void> {
  const { demonstrations } = get();
  const chunk = currentPolicy()?.chunkSize ?? 0;
  const episode =
    demonstrations.kind === 'open'
      ? demonstrations.info.episodes.find(({ length }) => length >= chunk)
      : undefined;
  if (!episode) return;
  const at = Math.floor((episode.length - chunk) / 2);
  try {
    const check = await policyWorker().demonstrations.check(episode.index, at);
    set(({ looks }) => ({ looks: [...looks.filter((before) => before.step < step), { step, at, check }] }));
  } catch {
    // The run itself says what is wrong.
  }
}

/** Drawing takes time from training, on the same cores: new steps are drawn together, this many milliseconds after the first of them. */
const DRAW_AFTER = 1000;
let undrawn: StepPoint[] = [];
let drawing: ReturnType<typeof setTimeout> | undefined;

function drawSteps(): void {
  clearTimeout(drawing);
  drawing = undefined;
  const points = undrawn;
  undrawn = [];
  if (points.length > 0) set(({ steps }) => ({ steps: [...steps, ...points] }));
}

function onEvent(event: FineTuneEvent): void {
  switch (event.kind) {
    case 'progress':
      set({ progress: event.progress });
      break;
    case 'step':
      undrawn.push(event.point);
      drawing ??= setTimeout(drawSteps, DRAW_AFTER);
      if (event.point.step === 1 || event.point.step % LOOK_EVERY === 0) void look(event.point.step);
      break;
    case 'validation':
      set(({ validations }) => ({ validations: [...validations, event.point] }));
      break;
    default:
      undrawn = [];
      set({ steps: event.steps, validations: event.validations });
  }
}

async function run(options: FineTuneOptions, resume: boolean): Promise<void> {
  // A second click, before the first one shows.
  if (isTraining()) return;
  // What a stored run went on from may not be here any more: the next run does not start from it unasked.
  const shown = resume ? { ...options, startFrom: null } : options;
  undrawn = [];
  set({ steps: [], validations: [], looks: [], failure: null, resuming: null, options: shown });
  try {
    await policyWorker().training.start(options, resume, onEvent);
  } catch (error) {
    const failure = failed(error);
    // A run that never began has no progress of its own to show the failure in.
    if (get().progress?.phase !== 'failed') set({ failure, progress: null });
  } finally {
    drawSteps();
  }
  await adapterChanged();
  await compareAgain();
}

export async function startRun(): Promise<void> {
  await run(get().options, false);
}

/** Goes on with a stored run; asks for its demonstrations where they were files. */
export async function resumeRun(name: string): Promise<void> {
  const stored = get().runs.find((info) => info.run === name);
  if (!stored) return;
  const { demonstrations } = get();
  const isOpen =
    demonstrations.kind === 'open' && demonstrations.info.fingerprint === stored.demonstrations.fingerprint;
  if (isOpen) {
    await run(stored.options, true);
    return;
  }
  const { url } = stored.demonstrations;
  if (url && get().resuming !== name) {
    set({ resuming: name });
    await openDemonstrations({ kind: 'url', url });
    return;
  }
  set({
    resuming: name,
    failure: {
      code: 'bad-input',
      message: `“${name}” was trained on “${stored.demonstrations.name}”, which ${
        demonstrations.kind === 'open' ? 'these demonstrations are not' : 'has to be opened again'
      }.`,
      hint: 'Drop or choose the same demonstrations above; the run then goes on by itself.',
    },
  });
}

/** Runs one call on the worker and shows what went wrong, if anything. */
async function act(call: () => Promise<unknown>): Promise<void> {
  set({ failure: null });
  try {
    await call();
  } catch (error) {
    set({ failure: failed(error) });
  }
}

export const pauseRun = (): Promise<void> => act(() => policyWorker().training.pause());
export const continueRun = (): Promise<void> => act(() => policyWorker().training.continue());
export const cancelRun = (): Promise<void> => act(() => policyWorker().cancel('training'));

export async function removeRun({ run: name }: RunInfo): Promise<void> {
  await act(() => policyWorker().training.removeRun(name));
  await adapterChanged();
}

/** @param step of the checkpoint to go back to; null for the newest */
export async function openRun({ run: name }: RunInfo, step: number | null = null): Promise<void> {
  await act(async () => {
    const { id } = await policyWorker().adapters.openRun(name, step);
    putOnList(id);
    await policyWorker().adapters.use(id);
  });
  await adapterChanged();
}

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

/** URL of the loaded package: runs of other policies are shown, but cannot be resumed. */
export function loadedHash(): string | null {
  const { status } = usePolicyStore.getState();
  return status.kind === 'ready' ? status.info.package.hash : null;
}
