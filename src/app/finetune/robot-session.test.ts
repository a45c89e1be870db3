import { expect, test } from 'vitest';
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import type { DemonstrationsInfo, RobotChoice } from '../../workers/boundary/contract-demonstrations.ts';
import { DEFAULT_OPTIONS } from './finetune-store.ts';
import { optionsFor } from './robot-session.ts';

const choice = { head: 'l1', cameras: ['front'] } as RobotChoice;
const of = (robot: Partial<DemonstrationsInfo['robot']>) =>
  ({ robot: { choice: null, startFrom: null, ...robot } }) as DemonstrationsInfo;
const adapter = (id: string, robot: AdapterInfo['robot']) => ({ id, robot }) as AdapterInfo;
const from = (startFrom: string) => ({ ...DEFAULT_OPTIONS, startFrom, statistics: 'policy' as const });
const ARM = { name: 'arm', actions: 6, images: 1, head: 'l1' } as const;

test('another robot starts with a head and statistics of its own', () => {
  const options = { ...DEFAULT_OPTIONS, statistics: 'policy' as const, freshModules: false };
  expect(optionsFor(of({ choice }), options, [])).toEqual({
    robot: choice,
    startFrom: null,
    freshModules: true,
    statistics: 'demonstrations',
  });
});

test('more of an adapter’s robot goes on from it, with its statistics', () => {
  const options = { ...DEFAULT_OPTIONS, robot: choice, freshModules: true };
  expect(optionsFor(of({ startFrom: 'arm' }), options, [adapter('arm', ARM)])).toEqual({
    robot: null,
    startFrom: 'arm',
    freshModules: false,
    statistics: 'policy',
  });
});

test('more of the policy’s own robot does not go on from an adapter of another, and keeps what was chosen', () => {
  const adapters = [adapter('arm', ARM), adapter('table', null)];
  expect(optionsFor(of({}), from('arm'), adapters)).toMatchObject({
    startFrom: null,
    statistics: 'demonstrations',
  });
  expect(optionsFor(of({}), from('table'), adapters)).toMatchObject({
    startFrom: 'table',
    statistics: 'policy',
  });
});
