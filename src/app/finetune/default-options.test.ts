import { expect, test } from 'vitest';
import { resetFineTune, useFineTuneStore } from './finetune-store.ts';

test.each([
  ['l1', 5e-4],
  ['bridge', 2e-4],
] as const)('a policy with the head "%s" is trained at its own code’s rate', (head, rate) => {
  resetFineTune({ head, centerCrop: true });
  expect(useFineTuneStore.getState().options).toMatchObject({ learningRate: rate, imageAug: true });
});
