import { beforeEach, expect, test, vi } from 'vitest';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import type { RunInfo } from '../../workers/boundary/contract-finetune.ts';
import { usePolicyStore } from '../policy/policy-store.ts';
import { rememberAdapter, restoreAdapter } from './adapter-memory.ts';
import { useCompareStore } from './compare-store.ts';
import { useFineTuneStore } from './finetune-store.ts';

const { memory, adapters } = vi.hoisted(() => ({
  memory: new Map<string, unknown>(),
  adapters: {
    list: async () => ({ adapters: [], active: null }),
    file: async (id: string) => ({ file: `file of ${id}`, sha256: '' }),
    openRun: vi.fn<(run: string, step: number) => Promise<object>>(),
    openFile: vi.fn<(file: string, label: string) => Promise<object>>(),
    use: vi.fn<(id: string) => Promise<void>>(),
  },
}));
vi.mock('../policy/policy-session.ts', () => ({ policyWorker: () => ({ adapters }) }));
vi.mock('../remembered.ts', () => ({
  remember: async (policy: string, what: string, value: unknown) => void memory.set(policy + what, value),
  remembered: async (policy: string, what: string) => memory.get(policy + what) ?? null,
}));

const adapter = { id: 'a', label: 'mine', step: 40, origin: { kind: 'run', run: 'mine' } } as AdapterInfo;
const stored = { run: 'mine', checkpoints: [20, 40] } as RunInfo;

function load(hash: string): void {
  const info = { package: { hash } } as PolicyInfo;
  usePolicyStore.setState({ status: { kind: 'ready', info, report: {} as never } });
}

beforeEach(() => {
  memory.clear();
  load('p');
  adapters.openRun.mockReset().mockResolvedValue({ id: 'a' });
  adapters.openFile.mockReset().mockResolvedValue({ id: 'b' });
  adapters.use.mockReset();
  useFineTuneStore.setState({ active: 'a', adapters: [adapter], runs: [stored] });
});

test('a checkpoint of a run is used again, with the policy it belongs to', async () => {
  await rememberAdapter();
  load('another');
  expect(await restoreAdapter()).toBe(false);
  load('p');
  expect(await restoreAdapter()).toBe(true);
  expect(adapters.openRun).toHaveBeenCalledExactlyOnceWith('mine', 40);
  expect(adapters.use).toHaveBeenCalledExactlyOnceWith('a');
});

test('one whose run was deleted, or that was imported, is kept as a file', async () => {
  useFineTuneStore.setState({ runs: [] });
  await rememberAdapter();
  expect(await restoreAdapter()).toBe(true);
  expect(adapters.openFile).toHaveBeenCalledExactlyOnceWith('file of a', 'mine');
  expect(adapters.use).toHaveBeenCalledExactlyOnceWith('b');
});

test('what a comparison has in use for its trials is not what the next visit finds', async () => {
  // It may begin before what has just been trained is remembered.
  useCompareStore.setState({ running: true, backTo: 'a' });
  useFineTuneStore.setState({ active: null });
  await rememberAdapter();
  useCompareStore.setState({ running: false });
  expect(await restoreAdapter()).toBe(true);
  expect(adapters.use).toHaveBeenCalledExactlyOnceWith('a');
});

test('the policy as it was loaded is remembered, too', async () => {
  await rememberAdapter();
  useFineTuneStore.setState({ active: null });
  await rememberAdapter();
  expect(await restoreAdapter()).toBe(false);
});
