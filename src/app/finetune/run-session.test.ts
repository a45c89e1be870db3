import { expect, test, vi } from 'vitest';
import type { RunInfo } from '../../workers/boundary/contract-finetune.ts';
import { openDemonstrations } from './run-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

type Progress = (done: number, total: number) => void;
const { open } = vi.hoisted(() => ({
  open: vi.fn<(source: object, progress: Progress) => Promise<object>>(),
}));
vi.mock('../policy/policy-session.ts', () => ({
  policyWorker: () => ({ demonstrations: { open } }),
  failPolicy: () => undefined,
}));

test('a run to be resumed has its demonstrations read as it read them, and says where they cannot be', async () => {
  const reading = { mapping: { action: 'a', state: ['s'], cameras: ['c'] }, standardise: false, turned: 0 };
  const run = { run: 'mine', demonstrations: { reading } } as unknown as RunInfo;
  useFineTuneStore.setState({ resuming: 'mine', runs: [run] });
  open
    .mockReset()
    .mockRejectedValue({ code: 'bad-input', message: 'The dataset has no feature "s".', hint: '' });
  await openDemonstrations({ kind: 'url', url: 'x' });
  expect(open.mock.calls[0]![0]).toMatchObject({ url: 'x', options: reading });
  const { demonstrations } = useFineTuneStore.getState();
  expect(demonstrations).toMatchObject({
    kind: 'failed',
    failure: {
      message:
        '“mine” read its demonstrations as action: a; state: s; cameras: c. These cannot be read so: The dataset has no feature "s".',
    },
  });
});
