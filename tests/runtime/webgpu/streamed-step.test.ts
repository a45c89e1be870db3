import { expect, it } from 'vitest';
import { ADAMW } from '../../../src/model/finetune/arena.ts';
import { initialParameters } from '../../../src/model/finetune/parameters.ts';
import { runPass } from '../../../src/model/finetune/pass.ts';
import { Trainables } from '../../../src/model/finetune/trainables.ts';
import { Tape, type GradientSink } from '../../../src/model/network/tape.ts';
import { Policy } from '../../../src/model/policy/policy.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { describeGpu, withoutGpuErrors } from '../../setup/gpu.ts';
import { openCase } from '../../setup/golden-policy.ts';
import { randomSample } from '../../setup/random-sample.ts';

describeGpu('a step whose gradients are used up as they come', (device) => {
  it('leaves the same parameters, moments and norm as one that keeps them', async () => {
    const opened = await openCase('siglip-only-l1');
    const runtime = createOwnWebGpuRuntime(device, { ownsDevice: false });
    const policy = await Policy.load(opened.config, opened.source, runtime, { partition: 'blocks' });
    const { trained } = await initialParameters(opened.config, opened.source, { lora: { r: 4 }, seed: 1 });
    const samples = [randomSample(opened.config)];
    const options = { ...ADAMW, learningRate: 1e-2 };

    const results = [];
    for (const streamed of [false, true]) {
      const trainables = new Trainables(runtime, trained, 2, { streamed });
      policy.use(trainables);
      let norm = 0;
      let parts = 0;
      await withoutGpuErrors(device, async () => {
        const stream = trainables.stream(options);
        const sink: GradientSink = async (of, gradient) => {
          if (of.rows && of.rows.start > 0) parts += 1;
          await stream!.sink(of, gradient);
        };
        const tape = new Tape(stream ? { ...stream, sink, splitAbove: 100 } : trainables.tapeOptions);
        await runPass(policy, samples, { tape });
        norm = await trainables.step(options);
      });
      const state = await trainables.state();
      results.push({ state, norm, parts, bytes: trainables.byteLength });
      policy.use(null);
      trainables.dispose();
    }
    const [kept, streamed] = results as [(typeof results)[0], (typeof results)[0]];
    expect(kept.parts).toBe(0);
    expect(streamed.parts).toBeGreaterThan(0);
    expect(streamed.bytes).toBe((kept.bytes * 3) / 4);
    expect(streamed.norm / kept.norm).toBeCloseTo(1, 5);
    let largest = 0;
    for (const [name, { data }] of kept.state) {
      const other = streamed.state.get(name)!.data;
      for (const [i, value] of data.entries()) largest = Math.max(largest, Math.abs(value - other[i]!));
    }
    // A thousandth of the learning rate: where a gradient is next to nothing, AdamW makes much of how it was rounded.
    expect(largest).toBeLessThan(1e-5);
    await policy.dispose();
    await runtime.dispose();
  });
});
