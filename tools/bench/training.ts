/** LoRA steps of golden cases: how long one takes, and whether a quantised base learns as the float32 one does. */
import { ADAMW } from '../../src/model/finetune/arena.ts';
import { runPass } from '../../src/model/finetune/pass.ts';
import { Trainables } from '../../src/model/finetune/trainables.ts';
import { Tape } from '../../src/model/network/tape.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { CaseFiles } from '../parity/golden.ts';
import { openTrainCase } from '../parity/train-case.ts';

export interface TrainingBench {
  readonly losses: number[];
  /** Milliseconds of each step, the first (which compiles) left out. */
  readonly stepMs: number[];
}

/** `steps` AdamW steps on a case's own batch, from its cold start. */
export async function benchTraining(
  files: CaseFiles,
  runtime: Runtime,
  options: { bits: 32 | 8 | 4; steps: number },
): Promise<TrainingBench> {
  const start = await openTrainCase(files, runtime, options);
  const { policy, samples } = start;
  const { trained, lora } = await start.parameters('cold');
  const trainables = new Trainables(runtime, trained, lora!.alpha / lora!.r);
  policy.use(trainables);
  const losses: number[] = [];
  const stepMs: number[] = [];
  // Noise and timesteps are those of the case's five steps, over and over.
  const drawn = await start.drawn('cold', 0);
  for (let step = 0; step < options.steps; step++) {
    const startMs = performance.now();
    const tape = new Tape(trainables.tapeOptions);
    const { loss } = await runPass(policy, samples, { tape, ...drawn });
    await trainables.step(ADAMW);
    if (step > 0) stepMs.push(performance.now() - startMs);
    losses.push(loss);
  }
  policy.use(null);
  trainables.dispose();
  await policy.dispose();
  return { losses, stepMs };
}
