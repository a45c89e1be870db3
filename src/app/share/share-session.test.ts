import { expect, test, vi } from 'vitest';
import { askedFor, taskNamed } from '../../practice/tasks.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { isLocal, manifestOf, sceneOf } from './share-session.ts';
import { usePolicyStore } from '../policy/policy-store.ts';

vi.mock('../policy/policy-session.ts', () => ({ policyWorker: () => ({}) }));
vi.mock('../url-state.ts', () => ({ readUrlState: () => ({}), defaultPolicyUrl: () => '' }));

const plate = { task: 'plate', seed: 3, robot: 'gripper' } as const;
/** The table's own robot is the one that is meant where none is named. */
const here = { task: 'plate', seed: 3 };
const type = (text: string) => useInstructionStore.getState().setText(text);

test('a link carries the words that were taught, on a table where they can be done', () => {
  type('put the red block on the plate');
  expect(sceneOf(['lift the can'], plate)).toMatchObject({ task: 'can', instruction: 'lift the can' });
  const taught = 'put the yellow block behind the plate';
  const scene = sceneOf([taught], plate);
  expect(scene).toMatchObject({ task: 'behind', instruction: taught });
  expect(askedFor(taskNamed('behind'), scene.seed!).goal).toMatchObject({ target: 'yellow block' });
});

test('words of one’s own stay with the table that is there, and so does what was taught and is typed', () => {
  type('put the red block on the plate');
  expect(sceneOf(['wave at me'], plate)).toEqual({ ...here, instruction: 'wave at me' });
  type('wave twice');
  expect(sceneOf(['wave at me', 'wave twice'], plate)).toEqual({ ...here, instruction: 'wave twice' });
  expect(sceneOf([], plate)).toEqual({ ...here, instruction: 'wave twice' });
});

test('a table of another robot names it, and is asked for what that robot can be asked for', () => {
  const arm = { task: 'lift', seed: 3, robot: 'so101' } as const;
  type('lift the red block');
  expect(sceneOf([], arm)).toEqual({ ...arm, instruction: 'lift the red block' });
  const scene = sceneOf(['touch the green block'], arm);
  expect(scene).toMatchObject({ task: 'reach', robot: 'so101', instruction: 'touch the green block' });
  // What no SO-101 does stays with the table that is there.
  expect(sceneOf(['lift the can'], arm)).toEqual({ ...arm, instruction: 'lift the can' });
});

test('a policy from a folder on this device is shared with the address that others get it from', () => {
  const url = 'package:0123';
  expect(isLocal(url)).toBe(true);
  expect(isLocal('https://example.org/manifest.json')).toBe(false);
  const info = { package: { url, name: 'mine', hash: 'a' } } as PolicyInfo;
  usePolicyStore.setState({ status: { kind: 'ready', info, report: {} as never } });
  const policyUrl = 'https://example.org/manifest.json';
  const { policy } = manifestOf({ title: 't', author: '', note: '', policyUrl }, null);
  expect(policy.url).toBe(policyUrl);
});
