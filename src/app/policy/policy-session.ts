/** The one worker of the page, and what the page asks of it about packages. */
import { connectPolicyWorker, type PolicyClient } from '../../workers/boundary/client.ts';
import type {
  BackendPreference,
  CapabilityReport,
  LoadProgress,
  PolicyInfo,
} from '../../workers/boundary/contract.ts';
import type { LeaseState } from '../../workers/boundary/contract-lease.ts';
import { needsRestart, toFailure, type Failure } from '../status/failure.ts';
import { loadedNow, NOTHING_LOADED, usePolicyStore, type PolicyStatus } from './policy-store.ts';

let client: PolicyClient | null = null;
/** Answers to questions about an earlier package or worker are dropped. */
let generation = 0;

const set = usePolicyStore.setState;

function setStatus(status: PolicyStatus): void {
  usePolicyStore.getState().setStatus(status);
}

function reportOf(status: PolicyStatus): CapabilityReport | null {
  return status.kind === 'inspecting' || status.kind === 'asking' ? null : status.report;
}

/** The worker; started at first use. */
export function policyWorker(): PolicyClient {
  if (!client) {
    client = connectPolicyWorker((error) => {
      usePolicyStore.getState().setLease(NOTHING_LOADED);
      failPolicy(toFailure(error));
    });
    const mine = client;
    const onState = (lease: LeaseState): void => {
      if (mine === client) usePolicyStore.getState().setLease(lease);
    };
    // A worker that is dead already says so in every other call.
    void client.watch(onState).catch(() => undefined);
    const onInUse = (info: PolicyInfo): void => {
      if (mine === client) usePolicyStore.getState().setInUse(info);
    };
    void client.watchInUse(onInUse).catch(() => undefined);
  }
  return client;
}

function endWorker(): void {
  client?.terminate();
  client = null;
  usePolicyStore.getState().setLease(NOTHING_LOADED);
  set({ before: null, asked: { kind: 'none' } });
}

/** Puts the page into its failed state, from which "Restart" or "Load" lead on. */
export function failPolicy(failure: Failure): void {
  generation++;
  const { status } = usePolicyStore.getState();
  const progress = status.kind === 'loading' ? status.progress : null;
  setStatus({ kind: 'failed', failure, report: reportOf(status), progress });
}

/**
 * Reads a package's manifest and checks this machine against it; loads at once what is stored here already. A policy that is loaded stays in use
 * until that has been read; where it cannot be, it stays.
 * @param fetchAtOnce loads it also where it has to be fetched first
 * @param before what has to be fetched before it
 */
export async function openPolicy(
  url: string,
  fetchAtOnce = false,
  before: Promise<void> = Promise.resolve(),
): Promise<void> {
  const mine = ++generation;
  const { backend, status } = usePolicyStore.getState();
  // What has arrived of the other one is kept.
  if (status.kind === 'loading') void policyWorker().cancel('loading');
  const loaded = loadedNow();
  if (loaded) set({ asked: { kind: 'reading', url } });
  else usePolicyStore.getState().setUrl(url);
  try {
    const report = await policyWorker().inspect(url, backend);
    if (!report.package.stored) await before;
    if (mine !== generation) return;
    const last = loadedNow();
    usePolicyStore.getState().setUrl(url);
    set({ asked: { kind: 'none' }, before: last ?? usePolicyStore.getState().before });
    setStatus({ kind: 'inspected', report });
    if ((fetchAtOnce || report.package.stored) && report.verdict !== 'no') await loadPolicy();
  } catch (error) {
    if (mine !== generation) return;
    const failure = toFailure(error);
    if (loadedNow() && !needsRestart(failure.code)) set({ asked: { kind: 'refused', url, failure } });
    else failPolicy(failure);
  }
}

export function forgetRefusal(): void {
  set({ asked: { kind: 'none' } });
}

/** Back to the policy that was loaded when another one was asked for; it is in the worker still. */
export function keepLoaded(): void {
  const { before, lease, status } = usePolicyStore.getState();
  if (!before || lease.kind === 'idle') return;
  if (status.kind === 'loading') void policyWorker().cancel('loading');
  generation++;
  usePolicyStore.setState({ ...before, before: null });
}

/** Opens a policy that an address names: one on another host, which a stranger may have put into a link, after a yes. */
export async function openNamedPolicy(url: string): Promise<void> {
  const named = URL.parse(url);
  // What was made on this device is fetched from nowhere.
  const local = named !== null && /^(package|checkpoint):$/.test(named.protocol);
  if (named === null || local || named.origin === location.origin) return openPolicy(url);
  usePolicyStore.getState().setUrl(url);
  setStatus({ kind: 'asking', host: named.host });
}

/** Downloads what is missing and makes the policy ready. Called again after a failure it resumes. */
export async function loadPolicy(): Promise<void> {
  const { url, backend, status } = usePolicyStore.getState();
  const report = reportOf(status);
  if (!report || status.kind === 'loading') return;
  const mine = ++generation;
  setStatus({ kind: 'loading', report, progress: null, cancelling: false });
  const onProgress = (progress: LoadProgress): void => {
    const now = usePolicyStore.getState().status;
    if (mine === generation && now.kind === 'loading') setStatus({ ...now, progress });
  };
  try {
    const info = await policyWorker().load(url, backend, onProgress);
    if (mine !== generation) return;
    const stored: CapabilityReport = { ...report, backend: info.backend, package: info.package };
    setStatus({ kind: 'ready', report: stored, info });
    set({ before: null });
  } catch (error) {
    if (mine === generation) failPolicy(toFailure(error));
  }
}

/** Asks a running load to stop; the load itself then ends with code `cancelled`. */
export async function cancelLoad(): Promise<void> {
  const { status } = usePolicyStore.getState();
  if (status.kind !== 'loading') return;
  setStatus({ ...status, cancelling: true });
  try {
    await policyWorker().cancel('loading');
  } catch (error) {
    failPolicy(toFailure(error));
  }
}

/** A new worker in place of one that died or lost its device; then opens the same package again. */
export async function restartWorker(): Promise<void> {
  endWorker();
  setStatus({ kind: 'inspecting' });
  await openPolicy(usePolicyStore.getState().url);
}

/**
 * Runs the policy elsewhere: checks this machine anew and loads again. With a new worker, because only its end
 * surely frees the other backend's memory: a WASM heap never shrinks.
 */
export async function runOn(backend: BackendPreference): Promise<void> {
  usePolicyStore.getState().setBackend(backend);
  await restartWorker();
}

/** Deletes the package's stored files and goes back to the check before the download. */
export async function removePolicy(): Promise<void> {
  const { url } = usePolicyStore.getState();
  generation++;
  setStatus({ kind: 'inspecting' });
  try {
    await policyWorker().packages.removeUrl(url);
    await openPolicy(url);
  } catch (error) {
    failPolicy(toFailure(error));
  }
}
