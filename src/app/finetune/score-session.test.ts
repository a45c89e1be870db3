import { expect, test, vi } from 'vitest';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import type { DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';
import { usePolicyStore } from '../policy/policy-store.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { scoreFrames, useScoreStore } from './score-session.ts';

const { check } = vi.hoisted(() => ({ check: vi.fn<() => Promise<object>>() }));
vi.mock('../policy/policy-session.ts', () => ({ policyWorker: () => ({ demonstrations: { check } }) }));

const info = { fingerprint: 'f', samples: 3, episodes: [{ index: 0, length: 9 }] } as DemonstrationsInfo;
const adapter = { id: 'a', label: 'mine', step: 40 } as AdapterInfo;

usePolicyStore.setState({
  status: { kind: 'ready', info: { chunkSize: 8 } as PolicyInfo, report: {} as never },
});

test('a score keeps the name of what made it, whatever predicts afterwards', async () => {
  check.mockResolvedValue({ l1: 1 });
  useFineTuneStore.setState({ active: null, adapters: [] });
  await scoreFrames(info);
  useFineTuneStore.setState({ active: 'a', adapters: [adapter] });
  expect(useScoreStore.getState()).toMatchObject({ by: 'the original policy', left: null });
  expect(useScoreStore.getState().frames).toHaveLength(3);
  await scoreFrames(info);
  expect(useScoreStore.getState().by).toBe('mine at step 40');
});

test('frames of two adapters are never one score', async () => {
  useFineTuneStore.setState({ active: null });
  check.mockImplementation(async () => {
    useFineTuneStore.setState({ active: 'a' });
    return { l1: 1 };
  });
  await scoreFrames(info);
  expect(useScoreStore.getState()).toMatchObject({ frames: [], left: null });
});
