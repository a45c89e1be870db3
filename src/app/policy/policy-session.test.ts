import { beforeEach, expect, test, vi } from 'vitest';
import type { LeaseState } from '../../workers/boundary/contract-lease.ts';
import { keepLoaded, openPolicy } from './policy-session.ts';
import { currentPolicy, usePolicyStore } from './policy-store.ts';

const { worker, watchers } = vi.hoisted(() => ({
  watchers: [] as ((state: LeaseState) => void)[],
  worker: {
    watch: async (heard: (state: LeaseState) => void) => void watchers.push(heard),
    watchInUse: async () => undefined,
    inspect: vi.fn<(url: string) => Promise<object>>(),
    load: vi.fn<(url: string) => Promise<object>>(),
    cancel: async () => undefined,
    terminate: () => undefined,
  },
}));
vi.mock('../../workers/boundary/client.ts', () => ({ connectPolicyWorker: () => worker }));

const infoOf = (url: string) => ({ backend: {}, package: { url, name: url, stored: false } });
const now = () => {
  const { url, status, asked } = usePolicyStore.getState();
  return [url, status.kind, asked.kind];
};

beforeEach(async () => {
  vi.stubGlobal('document', { baseURI: 'https://example.org/' });
  worker.inspect.mockImplementation(async (url) => ({
    verdict: 'ok',
    backend: {},
    package: infoOf(url).package,
  }));
  worker.load.mockImplementation(async (url) => infoOf(url));
  await openPolicy('first', true);
  watchers.at(-1)!({ kind: 'ready', run: null });
});

const gone = { code: 'download-failed', message: 'Status 404.', hint: '' };

test('an address where there is no policy leaves the loaded one in use', async () => {
  expect(now()).toEqual(['first', 'ready', 'none']);
  worker.inspect.mockRejectedValue(gone);
  await openPolicy('wrong');
  expect(now()).toEqual(['first', 'ready', 'refused']);
  expect(usePolicyStore.getState().asked).toMatchObject({ url: 'wrong', failure: gone });
  expect(currentPolicy()?.package.url).toBe('first');
});

test('one whose files cannot be had leads back to the loaded one', async () => {
  worker.load.mockRejectedValue(gone);
  await openPolicy('half', true);
  expect(now()).toEqual(['half', 'failed', 'none']);
  keepLoaded();
  expect(now()).toEqual(['first', 'ready', 'none']);
  // Once the worker has disposed of it, it cannot be kept.
  worker.load.mockRejectedValue(gone);
  await openPolicy('half', true);
  watchers.at(-1)!({ kind: 'idle', run: null });
  keepLoaded();
  expect(now()).toEqual(['half', 'failed', 'none']);
});

test('what has to come first is waited for only where something has to be fetched', async () => {
  let first!: () => void;
  const before = new Promise<void>((resolve) => (first = resolve));
  worker.load.mockClear();
  const opening = openPolicy('next', true, before);
  await vi.waitFor(() => expect(worker.inspect).toHaveBeenLastCalledWith('next', expect.anything()));
  expect(worker.load).not.toHaveBeenCalled();
  first();
  await opening;
  expect(worker.load).toHaveBeenCalledOnce();

  const never = new Promise<void>(() => undefined);
  worker.inspect.mockImplementation(async (url) => ({
    verdict: 'ok',
    backend: {},
    package: { ...infoOf(url).package, stored: true },
  }));
  await openPolicy('stored', true, never);
  expect(now()).toEqual(['stored', 'ready', 'none']);
});
