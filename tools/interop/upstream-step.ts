import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import { goldenSubject, prepare } from './prepare.ts';
import { findPython, runPython } from './python.ts';

/**
 * Median milliseconds of a LoRA step with real torch and PEFT on a golden case (train_step.py), or why there is none.
 * @param folder of the case, such as `tests/golden/libero-l1`
 */
export async function upstreamStepMs(folder: string, steps: number): Promise<number | { skipped: string }> {
  const python = findPython();
  if ('missing' in python) return { skipped: python.missing };
  const work = mkdtempSync(join(tmpdir(), 'openvla-step-'));
  const runtime = await createNodeRuntime();
  try {
    const name = basename(folder);
    await prepare(await goldenSubject(name), join(work, name), runtime);
    const out = runPython(python, resolve('tools/interop/train_step.py'), join(work, name), String(steps));
    return (JSON.parse(out.split('\n').at(-1)!) as { ms: number }).ms;
  } finally {
    await runtime.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}
