import { expect, test } from 'vitest';
import type { RunInfo } from '../../workers/boundary/contract-finetune.ts';
import { interruptedText } from './interrupted-text.ts';

const run = {
  run: 'mine',
  step: 20,
  packageHash: 'p',
  demonstrations: { name: 'Practice table', url: null, fingerprint: 'f' },
} as RunInfo;

test('nothing is lost where a run can go on, and nowhere else', () => {
  const text = (open: string | null, packageHash: string, info = run) =>
    interruptedText(info, { open, packageHash });
  expect(text('f', 'p')).toContain('It goes on from step');
  const fromAddress = { ...run, demonstrations: { ...run.demonstrations, url: 'demo/' } };
  expect(text(null, 'p', fromAddress)).toContain('It goes on from step');
  for (const said of [text(null, 'p'), text('g', 'p')]) {
    expect(said).not.toContain('It goes on from step');
    expect(said).toContain('“Practice table” has to be open');
  }
  expect(text('f', 'q')).toContain('another policy');
});
