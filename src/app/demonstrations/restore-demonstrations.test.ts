import { beforeEach, expect, test, vi } from 'vitest';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { usePolicyStore } from '../policy/policy-store.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import type { RememberedDemonstrations } from '../remembered.ts';
import { restoreDemonstrations } from './restore-demonstrations.ts';

const { kept, opened } = vi.hoisted(() => ({
  kept: { now: null as RememberedDemonstrations | null },
  opened: [] as unknown[],
}));
vi.mock('../remembered.ts', () => ({ remembered: async () => kept.now }));
vi.mock('../practice/practice-session.ts', () => ({ openTable: async () => undefined }));
vi.mock('./recorded-set.ts', () => ({ openRecorded: async (place: string) => opened.push(place) }));
vi.mock('./expert-session.ts', () => ({
  openWithRehearsal: async (seed: number) => opened.push(`mixed in by ${seed}`),
  recordExpert: async (request: object) => opened.push(request),
}));
vi.mock('../finetune/run-session.ts', () => ({
  openDemonstrations: async (source: object) => opened.push(source),
}));

beforeEach(() => {
  opened.length = 0;
  const info = { package: { hash: 'p' } } as PolicyInfo;
  usePolicyStore.setState({ status: { kind: 'ready', info, report: {} as never } });
  usePracticeStore.setState({ status: { kind: 'open', tasks: [] } });
  useFineTuneStore.setState({ demonstrations: { kind: 'none' } });
});

test('own recordings come back with what was mixed in, and the expert does the same again', async () => {
  kept.now = { kind: 'recorded', place: 'table', rehearsalSeed: 7 };
  await restoreDemonstrations();
  expect(opened).toEqual(['table', 'mixed in by 7']);
  const asked = {
    kind: 'expert',
    tasks: ['can'],
    robot: 'gripper',
    episodes: 20,
    rehearse: true,
    seed: 3,
  } as const;
  kept.now = asked;
  await restoreDemonstrations();
  expect(opened.at(-1)).toEqual(asked);
  kept.now = { kind: 'url', url: 'demo/', options: null };
  await restoreDemonstrations();
  expect(opened.at(-1)).toEqual({ kind: 'url', url: 'demo/' });
});

test('nothing takes the place of what is open, and without a table nothing is made on it', async () => {
  kept.now = { kind: 'recorded', place: 'table', rehearsalSeed: 7 };
  useFineTuneStore.setState({ demonstrations: { kind: 'opening', done: 0, total: 1 } });
  await restoreDemonstrations();
  expect(opened).toEqual([]);
  useFineTuneStore.setState({ demonstrations: { kind: 'none' } });
  usePracticeStore.setState({ status: { kind: 'failed', failure: {} as never } });
  await restoreDemonstrations();
  expect(opened).toEqual(['table']);
});
