/** What the page asks of the worker that makes packages of checkpoints. */
import { connectConvertWorker, type ConvertClient } from '../../workers/boundary/client.ts';
import type {
  BegunConversion,
  CheckpointChoices,
  CheckpointReport,
  CheckpointSource,
  ConvertProgress,
} from '../../workers/boundary/contract-convert.ts';
import { openPolicy } from '../policy/policy-session.ts';
import { toFailure } from '../status/failure.ts';
import { useCheckpointStore, type CheckpointStatus } from './checkpoint-store.ts';

let client: ConvertClient | null = null;
/** Answers about another checkpoint are dropped. */
let generation = 0;

const set = useCheckpointStore.setState;
const get = useCheckpointStore.getState;

/** Started at first use. */
function worker(): ConvertClient {
  client ??= connectConvertWorker(() => (client = null));
  return client;
}

export function reportOf(status: CheckpointStatus): CheckpointReport | null {
  return 'report' in status ? status.report : null;
}

/** Reads what the checkpoint is; fetches no weights. */
export async function lookAtCheckpoint(
  source: CheckpointSource,
  choices: CheckpointChoices = get().choices,
): Promise<void> {
  const mine = ++generation;
  set({ source, choices, status: { kind: 'inspecting' } });
  try {
    const report = await worker().inspect(source, choices);
    if (mine === generation) set({ status: { kind: 'described', report } });
  } catch (error) {
    if (mine === generation) set({ status: { kind: 'failed', failure: toFailure(error), report: null } });
  }
}

/** Looks again with other choices. */
export async function choose(change: Partial<CheckpointChoices>): Promise<void> {
  const { source, choices } = get();
  if (source) await lookAtCheckpoint(source, { ...choices, ...change });
  else set({ choices: { ...choices, ...change } });
}

/** Fetches, converts and keeps it, from where that stopped; then opens it. */
export async function convertCheckpoint(): Promise<void> {
  const { source, choices, status } = get();
  const report = reportOf(status);
  if (!source || !report || status.kind === 'converting') return;
  const mine = ++generation;
  const before = status.kind === 'paused' ? status.progress : null;
  set({ status: { kind: 'converting', report, progress: before, pausing: false } });
  const onProgress = (progress: ConvertProgress): void => {
    const now = get().status;
    if (mine === generation && now.kind === 'converting') set({ status: { ...now, progress } });
  };
  try {
    const url = await worker().convert(source, choices, onProgress);
    if (mine !== generation) return;
    set({ status: { kind: 'idle' }, source: null });
    await openPolicy(url);
  } catch (error) {
    if (mine !== generation) return;
    const failure = toFailure(error);
    const now = get().status;
    const progress = now.kind === 'converting' ? now.progress : null;
    set({
      status:
        failure.code === 'cancelled'
          ? { kind: 'paused', report, progress }
          : { kind: 'failed', failure, report },
    });
  } finally {
    await refreshBegun();
  }
}

/** Stops; what is converted stays on this device. */
export async function pauseConversion(): Promise<void> {
  const { status } = get();
  if (status.kind !== 'converting') return;
  set({ status: { ...status, pausing: true } });
  await worker().pause();
}

export async function refreshBegun(): Promise<void> {
  try {
    set({ begun: await worker().begun() });
  } catch {
    // A browser without storage for pages has none; converting will say so.
    set({ begun: [] });
  }
}

/** Goes on with a conversion of an earlier visit, after a look at what it is. */
export async function resumeBegun({ from, bits }: BegunConversion, token: string): Promise<void> {
  await lookAtCheckpoint(
    { kind: 'address', address: from, ...(token ? { token } : {}) },
    { ...get().choices, bits },
  );
}

export async function discardBegun({ key }: BegunConversion): Promise<void> {
  try {
    await worker().discard(key);
  } catch (error) {
    set({ status: { kind: 'failed', failure: toFailure(error), report: null } });
  }
  await refreshBegun();
}

export function closeCheckpoint(): void {
  generation++;
  set({ source: null, status: { kind: 'idle' } });
}
