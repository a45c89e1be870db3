import { expect, test, vi } from 'vitest';
import { askedFor, taskNamed } from '../../practice/tasks.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import type { PolicyInfo } from '../../workers/contract.ts';
import { isLocal, manifestOf, sceneOf } from './share-session.ts';
import { usePolicyStore } from '../policy/policy-store.ts';

vi.mock('../policy/policy-session.ts', () => ({ policyWorker: () => ({}) }));
vi.mock('../url-state.ts', () => ({ readUrlState: () => ({}), defaultPolicyUrl: () => '' }));

const plate = { task: 'plate', seed: 3 };
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
  expect(sceneOf(['wave at me'], plate)).toEqual({ ...plate, instruction: 'wave at me' });
  type('wave twice');
  expect(sceneOf(['wave at me', 'wave twice'], plate)).toEqual({ ...plate, instruction: 'wave twice' });
  expect(sceneOf([], plate)).toEqual({ ...plate, instruction: 'wave twice' });
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
