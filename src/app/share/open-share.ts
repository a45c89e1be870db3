/** Opening a share: the policy it names, its adapter, its table and its words. A share is data: nothing in it is run. */
import { sha256Hex } from '../../base/sha256.ts';
import { adapterAddress, fetchShare } from '../../share/share-client.ts';
import { decodeShare, type ShareManifest } from '../../share/share-manifest.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { chooseAdapter, startFrom } from '../finetune/adapter-session.ts';
import { refreshRuns } from '../finetune/worker-calls.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { openPolicy, policyWorker } from '../policy/policy-session.ts';
import { currentPolicy, usePolicyStore } from '../policy/policy-store.ts';
import { chooseLoop, layTable, limitSpeed } from '../practice/practice-session.ts';
import { stopPractice } from '../practice/practice-run.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { toFailure, type Failure } from '../status/failure.ts';
import { defaultPolicyUrl, type AddressedShare } from '../url-state.ts';
import { arriveAt } from '../view-store.ts';
import { useShareStore } from './share-store.ts';

const set = useShareStore.setState;

/** Files of an adapter beyond this are not fetched, whatever the share says. */
const MOST_BYTES = 512 * 2 ** 20;

/** Reads it; what comes from this page's own host is used at once, anything else after a yes. */
export async function openShare(address: AddressedShare): Promise<void> {
  set({ opened: { kind: 'reading' } });
  let manifest: ShareManifest;
  try {
    manifest = 'id' in address ? await fetchShare(address.id) : await decodeShare(address.link);
  } catch (error) {
    set({ opened: { kind: 'failed', failure: toFailure(error), manifest: null } });
    await openPolicy(defaultPolicyUrl(), true);
    return;
  }
  const { scene, policy } = manifest;
  arriveAt({ view: scene.view });
  useInstructionStore.getState().setText(scene.instruction);
  const foreign = foreignHosts(manifest).length > 0;
  set({ opened: { kind: 'known', manifest, agreed: !foreign } });
  if (!foreign) await loadShare();
  else if (policy.url === null) await openPolicy(defaultPolicyUrl(), true);
}

/** Where files would be fetched from that are not this page's own. */
export function foreignHosts({ policy, adapter }: ShareManifest): string[] {
  const urls = [policy.url, adapter?.url ?? null].flatMap((url) => (url === null ? [] : [new URL(url)]));
  return [...new Set(urls.filter(({ origin }) => origin !== location.origin).map(({ host }) => host))];
}

/** Loads what the share is made of. */
export async function loadShare(): Promise<void> {
  const { opened } = useShareStore.getState();
  const manifest = opened.kind === 'known' || opened.kind === 'failed' ? opened.manifest : null;
  if (!manifest) return;
  set({ opened: { kind: 'known', manifest, agreed: true } });
  try {
    await policyOf(manifest);
    await adapterOf(manifest);
    await sceneOf(manifest);
    set({ opened: { kind: 'ready', manifest } });
  } catch (error) {
    set({ opened: { kind: 'failed', failure: toFailure(error), manifest } });
  }
}

async function policyOf({ policy }: ShareManifest): Promise<void> {
  const url = policy.url ?? defaultPolicyUrl();
  if (currentPolicy()?.package.url !== url) await openPolicy(url, true);
  const { asked } = usePolicyStore.getState();
  if (asked.kind === 'refused' && asked.url === url) throw asked.failure;
  const info = currentPolicy();
  if (!info) {
    const { status } = usePolicyStore.getState();
    throw status.kind === 'failed' ? status.failure : notLoaded;
  }
  if (info.package.hash === policy.sha256) return;
  throw {
    code: 'hash-mismatch',
    message: `The share was made on another version of “${policy.name}” (${policy.sha256.slice(0, 12)}) than the one here (${info.package.hash.slice(0, 12)}).`,
    hint: 'Its adapter would not fit, and was not loaded. Ask for a new link; the policy here works without it.',
  } satisfies Failure;
}

const notLoaded: Failure = {
  code: 'download-failed',
  message: 'The policy of this share is not loaded.',
  hint: 'Load the shared policy first.',
};

async function adapterOf({ adapter, title }: ShareManifest): Promise<void> {
  if (!adapter) return;
  const url = adapter.url ?? adapterAddress(adapter.sha256);
  const bytes = await download(url, adapter.bytes);
  if ((await sha256Hex(bytes)) !== adapter.sha256) {
    throw {
      code: 'hash-mismatch',
      message: `What ${new URL(url, location.href).host} gave is another file than the one that was shared.`,
      hint: 'It was not used. Ask for a new link.',
    } satisfies Failure;
  }
  const { id } = await policyWorker().adapters.openFile(new Blob([bytes]), `${title} (shared)`);
  await chooseAdapter(id);
  await refreshRuns();
  const { active, failure } = useFineTuneStore.getState();
  if (active !== id) throw failure ?? notLoaded;
  // Whoever teaches it more goes on from what was shared.
  startFrom(id);
}

/** Not a byte more than the share says. */
async function download(url: string, byteLength: number): Promise<Uint8Array<ArrayBuffer>> {
  const wrong = (found: string): Failure => ({
    code: 'download-failed',
    message: `The adapter at ${new URL(url, location.href).host} could not be fetched: ${found}.`,
    hint: 'Check the connection and try again, or ask for a new link.',
  });
  if (byteLength > MOST_BYTES)
    throw wrong(`it is said to have ${byteLength} bytes, ${MOST_BYTES} is the most`);
  const response = await fetch(url).catch(() => null);
  if (!response?.ok || !response.body) throw wrong(response ? `status ${response.status}` : 'no answer');
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for await (const chunk of response.body) {
    if (at + chunk.byteLength > byteLength) throw wrong(`it is longer than ${byteLength} bytes`);
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at !== byteLength) throw wrong(`it has ${at} of ${byteLength} bytes`);
  return bytes;
}

async function sceneOf({ scene }: ShareManifest): Promise<void> {
  await chooseLoop({ ensembling: scene.ensemble });
  await limitSpeed(scene.speedLimit ?? 1);
  if (scene.view !== 'table' || scene.task === null || scene.seed === null) return;
  await tableOpen();
  if (usePracticeStore.getState().status.kind !== 'open') return;
  stopPractice();
  // Another robot's layout is another table: whoever stands there now makes room for it.
  await layTable(scene.task, scene.seed, true, scene.robot ?? 'gripper');
  if (scene.instruction) useInstructionStore.getState().setText(scene.instruction);
}

function tableIsOpen(): boolean {
  const { status, table } = usePracticeStore.getState();
  return status.kind === 'failed' || (status.kind === 'open' && table !== null);
}

function tableOpen(): Promise<void> {
  return new Promise((resolve) => {
    if (tableIsOpen()) {
      resolve();
      return;
    }
    const unsubscribe = usePracticeStore.subscribe(() => {
      if (!tableIsOpen()) return;
      unsubscribe();
      resolve();
    });
  });
}
