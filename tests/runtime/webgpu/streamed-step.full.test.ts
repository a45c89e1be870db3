import { expect, it } from 'vitest';
import { ADAMW } from '../../../src/model/finetune/arena.ts';
import { planGpuMemory } from '../../../src/model/finetune/gpu-memory.ts';
import { microBatch } from '../../../src/model/finetune/micro-batch.ts';
import { initialParameters } from '../../../src/model/finetune/parameters.ts';
import { runPass } from '../../../src/model/finetune/pass.ts';
import { Trainables } from '../../../src/model/finetune/trainables.ts';
import { prefixTokens } from '../../../src/model/heads/sequence-segments.ts';
import { Tape, type GradientSink } from '../../../src/model/network/tape.ts';
import { Policy } from '../../../src/model/policy/policy.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { describeGpu, withoutGpuErrors } from '../../setup/gpu.ts';
import { openCase } from '../../setup/golden-policy.ts';
import { randomSample } from '../../setup/random-sample.ts';

const RANK = 4;
/** Numbers: small enough that gradients of this small policy come in parts. */
const SPLIT_ABOVE = 100;

describeGpu('a step whose gradients are used up as they come', (device) => {
  it('leaves the same parameters, moments and norm as one that keeps them, in the memory that was planned', async () => {
    const { config, source, shapes } = await openCase('siglip-only-l1');
    const { trained } = await initialParameters(config, source, { lora: { r: RANK }, seed: 1 });
    const samples = [randomSample(config)];
    const options = { ...ADAMW, learningRate: 1e-2 };

    const step = async (streamed: boolean) => {
      const runtime = createOwnWebGpuRuntime(device, { ownsDevice: false });
      const policy = await Policy.load(config, source, runtime, { partition: 'blocks' });
      policy.setAside(trained.keys());
      const weights = runtime.live.byteLength;
      const trainables = new Trainables(runtime, trained, 2, { streamed });
      policy.use(trainables);
      const stream = trainables.stream(options);
      let parts = 0;
      const sink: GradientSink = async (of, gradient) => {
        if (of.rows && of.rows.start > 0) parts += 1;
        await stream!.sink(of, gradient);
      };
      const norm = await withoutGpuErrors(device, async () => {
        const tape = new Tape(stream ? { ...stream, sink, splitAbove: SPLIT_ABOVE } : trainables.tapeOptions);
        await runPass(policy, samples, { tape });
        return trainables.step(options);
      });
      const { arena, programs } = runtime.memory;
      const memory = { weights, arena, programs, optimizer: trainables.byteLength };
      const batch = microBatch(policy, samples);
      const textTokens = batch.length - 1 - prefixTokens(config);
      batch.dispose();
      const state = await trainables.state();
      policy.use(null);
      trainables.dispose();
      await policy.dispose();
      const tensors = runtime.peakTensors;
      await runtime.dispose();
      return { state, norm, parts, textTokens, memory, tensors };
    };
    const kept = await step(false);
    const streamed = await step(true);

    expect(kept.parts).toBe(0);
    expect(streamed.parts).toBeGreaterThan(0);
    expect(streamed.memory.optimizer).toBe((kept.memory.optimizer * 3) / 4);
    expect(streamed.norm / kept.norm).toBeCloseTo(1, 5);
    let largest = 0;
    for (const [name, { data }] of kept.state) {
      const other = streamed.state.get(name)!.data;
      for (const [i, value] of data.entries()) largest = Math.max(largest, Math.abs(value - other[i]!));
    }
    // A thousandth of the learning rate: where a gradient is next to nothing, AdamW makes much of how it was rounded.
    expect(largest).toBeLessThan(1e-5);

    const tensors = [...shapes].map(([name, shape]) => ({ name, shape, encoding: 'f32' as const }));
    const plan = await planGpuMemory(config, tensors, {
      textTokens: streamed.textTokens,
      limits: device.limits,
      partition: 'blocks',
      training: { rank: RANK, batch: 1, splitAbove: SPLIT_ABOVE },
    });
    const { weights, arena, programs, optimizer } = plan;
    expect(streamed.memory).toEqual({ weights, arena, programs, optimizer });
    expect(streamed.tensors - streamed.memory.weights).toBe(plan.activations);
  });
});
