import { expect, test, vi } from 'vitest';
import type { DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';
import type { FineTuneEstimate } from '../../workers/boundary/contract-finetune.ts';
import { mayStart, refreshEstimate, setOptions } from './estimate-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

const { estimate } = vi.hoisted(() => ({ estimate: vi.fn<() => Promise<object>>() }));
vi.mock('../policy/policy-session.ts', () => ({
  policyWorker: () => ({ training: { estimate } }),
  failPolicy: () => undefined,
}));

const answer = (refusal: FineTuneEstimate['refusal']) => ({ refusal }) as FineTuneEstimate;
const now = () => mayStart(useFineTuneStore.getState());

test('a run can be started while changed options are estimated, unless what was known refuses it', async () => {
  vi.stubGlobal('window', { setTimeout });
  useFineTuneStore.setState({ demonstrations: { kind: 'open', info: {} as DemonstrationsInfo } });
  setOptions({ run: 'mine' });
  expect(now()).toBe(false);
  estimate.mockResolvedValueOnce(answer(null));
  await refreshEstimate();
  expect(now()).toBe(true);

  // Two changes in a row, neither of which is answered yet.
  const answers: ((estimate: FineTuneEstimate) => void)[] = [];
  estimate.mockImplementation(() => new Promise((resolve) => answers.push(resolve)));
  const asked = [refreshEstimate(), refreshEstimate()];
  expect(now()).toBe(true);
  for (const resolve of answers) resolve(answer({ message: 'Too large.', hint: '' }));
  await Promise.all(asked);
  expect(now()).toBe(false);
  void refreshEstimate();
  expect(now()).toBe(false);

  setOptions({ run: '' });
  useFineTuneStore.setState({ estimate: { kind: 'known', estimate: answer(null) } });
  expect(now()).toBe(false);
  vi.unstubAllGlobals();
});
