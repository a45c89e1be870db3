import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../../src/model/graph/types.ts';
import { vjp } from '../../../src/model/graph/vjp.ts';
import type { Tensors } from '../../../src/model/runtime/runtime.ts';
import { createPlanningRuntime } from '../../../src/model/runtime/webgpu/planning-runtime.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { encodeTensor } from '../../../src/model/weights/encoding.ts';
import { llamaBlockGraph, vitBlockGraph } from '../../graph/block-cases.ts';
import { describeGpu } from '../../setup/gpu.ts';
import { planGpuMemory } from '../../../src/model/finetune/gpu-memory.ts';
import { networkConfig } from '../../../src/model/network/config.ts';
import { storageEncoding } from '../../../src/model/network/storage-encoding.ts';
import type { PolicyConfig } from '../../../src/model/policy/config.ts';
import { ROBOT_PROFILES } from '../../../src/model/policy/robot-profiles.ts';
import { CHECKPOINT_SHAPES, checkpointTensors } from '../../../tools/make-checkpoint/checkpoint-shapes.ts';

const GIB = 2 ** 30;
const limits = {
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBufferBindingSize: 2 * GIB,
  maxBufferSize: 2 * GIB,
};

/** OpenVLA-OFT 7B as LIBERO has it, at 4 bits: shapes only. */
function sevenB() {
  const shape = CHECKPOINT_SHAPES['7b'];
  const { model, actionHead, proprioProjector } = checkpointTensors(shape);
  const shapes = new Map(model);
  for (const [name, dims] of actionHead) shapes.set(`action_head.${name}`, dims);
  for (const [name, dims] of proprioProjector) shapes.set(`proprio_projector.${name}`, dims);
  const network = networkConfig(
    {
      use_fused_vision_backbone: true,
      timm_model_ids: [shape.dino.timmId, shape.siglip.timmId],
      image_sizes: [shape.imageSize, shape.imageSize],
      text_config: { model_type: 'llama', num_attention_heads: shape.llama.heads },
    },
    shapes,
  );
  const config = { network, head: 'l1', profile: ROBOT_PROFILES['libero'] } as unknown as PolicyConfig;
  const tensors = [...shapes].map(([name, dims]) => ({
    name,
    shape: dims,
    encoding: storageEncoding(name, dims, 4),
    // Published in bfloat16.
    fewScales: true,
  }));
  return { config, tensors };
}

describe('what OpenVLA-OFT 7B takes on a GPU at 4 bits', () => {
  const textTokens = 35 + 8 * 7 + 1;

  it('predicts in 5 GB', async () => {
    const { config, tensors } = sevenB();
    const { weights, arena, activations, total } = await planGpuMemory(config, tensors, {
      textTokens,
      limits,
    });
    expect(weights).toBeGreaterThan(4.7e9);
    expect(arena + activations).toBeLessThan(0.2e9);
    expect(total).toBeLessThan(5e9);
  });

  it('is fine-tuned with LoRA on all linear layers in 8 GB', async () => {
    const { config, tensors } = sevenB();
    const training = { rank: 32, batch: 1 };
    const plan = await planGpuMemory(config, tensors, { textTokens, limits, training });
    // Of the weights, neither the head nor the projector of the state, which lie among what is trained.
    expect(plan.weights).toBeLessThan(4.1e9);
    // Twelve bytes each of 276 million, as gradients are used up as they come.
    expect(plan.optimizer).toBeGreaterThan(3.3e9);
    expect(plan.optimizer).toBeLessThan(3.32e9);
    // Recomputation block by block: what passes between the language model's, and the inside of one. Vision is run again as a whole.
    expect(plan.activations).toBeLessThan(0.37e9);
    expect(plan.arena).toBeLessThan(0.2e9);
    expect(plan.total).toBeLessThan(8e9);
  });

  it('takes more where many different scales are to be expected, as it was not bfloat16', async () => {
    const { config, tensors } = sevenB();
    const many = tensors.map((tensor) => ({ ...tensor, fewScales: false }));
    const [few, more] = await Promise.all(
      [tensors, many].map((each) => planGpuMemory(config, each, { textTokens, limits })),
    );
    expect(more!.weights - few!.weights).toBeGreaterThan(0.43e9);
  });
});

describeGpu('plan and allocation', (device) => {
  it('are equal, to the byte, forwards and back', async () => {
    const real = createOwnWebGpuRuntime(device);
    const planned = createPlanningRuntime(device.limits, 'direct');
    for (const graph of [llamaBlockGraph('q4'), vjp(vitBlockGraph(), { wrt: ['x', 'attn.qkv.weight'] })]) {
      for (const runtime of [planned, real]) {
        const feeds: Tensors = {};
        for (const { name, value } of graph.inputs) {
          const zeros = new Float32Array(sizeOf(value.shape));
          feeds[name] =
            value.dtype === 'float32'
              ? runtime.upload(zeros, value.shape)
              : runtime.uploadWeight(encodeTensor(name, value.shape, zeros, value.dtype));
        }
        const program = await runtime.compile(graph);
        await program.run(feeds);
      }
      expect(real.memory).toEqual(planned.peak);
    }
    // Of bfloat16s: a million, of which the scales take half the bytes.
    const weights = Float32Array.from({ length: 2 ** 20 }, (_, i) => 0.01 * (((i * 193) % 251) - 125));
    const few = new Uint32Array(weights.buffer).map((bits) => bits & 0xffff0000);
    const values = new Float32Array(few.buffer);
    const shape = [512, 2048];
    const before = real.memory.tensors;
    real.uploadWeight(encodeTensor('few scales', shape, values, 'q4'));
    const fresh = createPlanningRuntime(device.limits, 'direct');
    fresh.declareWeight(shape, 'q4', true);
    expect(real.memory.tensors - before).toBe(fresh.peak.tensors);
    expect(fresh.peak.tensors).toBeLessThan(2 ** 19 + 2 ** 17);
    await real.dispose();
  });
});
