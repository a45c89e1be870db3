import { expect, test, vi } from 'vitest';
import { askedFor, taskNamed } from '../../practice/tasks.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { sceneOf } from './share-session.ts';

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
