/** Runs: begun, watched, paused, and gone on with once their demonstrations are open. */
import { optionsOf, type OpenOptions } from '../../episodes/reading.ts';
import type { DemonstrationsSource } from '../../workers/boundary/contract-demonstrations.ts';
import type {
  FineTuneEvent,
  FineTuneOptions,
  RunInfo,
  StepPoint,
} from '../../workers/boundary/contract-finetune.ts';
import {
  openedSource,
  openInfo,
  readDemonstrations,
  type OpenedAs,
} from '../demonstrations/open-demonstrations.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { currentPolicy, isTraining, usePolicyStore } from '../policy/policy-store.ts';
import { refreshEstimate } from './estimate-session.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { putOnList } from './own-adapters.ts';
import { compareAgain } from './robot-session.ts';
import { act, adapterChanged, failed } from './worker-calls.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

/** Opens demonstrations in place of those that were open; a run that waits for them goes on. @param as where they came from */
export async function openDemonstrations(asked: DemonstrationsSource, as?: OpenedAs): Promise<void> {
  if (!(await readDemonstrations(asked, as))) return;
  const { resuming } = get();
  if (resuming) await resumeRun(resuming);
  else await refreshEstimate();
}

/** Reads the demonstrations that are open anew, with other features or another standardisation. */
export async function reopenDemonstrations(options: OpenOptions): Promise<void> {
  const source = openedSource();
  const before = openInfo()?.reading;
  if (!before || !source || source.kind === 'recorded') return;
  const chosen = { ...source, options: { ...optionsOf(before), ...options } };
  await openDemonstrations(chosen, { origin: 'dataset', edits: {}, chosen: true });
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

/** URL of the loaded package: runs of other policies are shown, but cannot be resumed. */
export function loadedHash(): string | null {
  const { status } = usePolicyStore.getState();
  return status.kind === 'ready' ? status.info.package.hash : null;
}
