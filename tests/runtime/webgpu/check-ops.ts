import { expect, it } from 'vitest';
import type { Graph } from '../../../src/model/graph/types.ts';
import { vjp } from '../../../src/model/graph/vjp.ts';
import type { Style } from '../../../src/model/runtime/webgpu/plan.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { LORA_TRAINED, llamaBlockGraph, loraGraph, vitBlockGraph } from '../../graph/block-cases.ts';
import { opCases } from '../../graph/op-cases.ts';
import { withoutGpuErrors } from '../../setup/gpu.ts';
import { largestError } from '../../graph/largest-error.ts';

/** float32 against float64 on sums of at most a few dozen terms of size one. */
const TOLERANCE = 5e-6;

const blocks: { name: string; graph: Graph; wrt: string[]; range: [number, number] }[] = [
  { name: 'ViT block', graph: vitBlockGraph(), wrt: ['x'], range: [-1, 1] },
  ...(['float32', 'q8', 'q4'] as const).map((dtype) => ({
    name: `LLaMA layer in ${dtype}`,
    graph: llamaBlockGraph(dtype),
    wrt: ['x'],
    range: [-1, 1] as [number, number],
  })),
  ...(['q8', 'q4'] as const).map((dtype) => ({
    name: `LoRA merged into ${dtype}`,
    graph: loraGraph(dtype, true),
    wrt: LORA_TRAINED,
    range: [-1, 1] as [number, number],
  })),
];

/** Registers a test per op and per block: forward and backward on our executor against the float64 evaluator. */
export function checkOps(device: GPUDevice, style: Style): void {
  const runtime = createOwnWebGpuRuntime(device, { style });
  it.each([...opCases, ...blocks])('$name: forward and backward', async ({ graph, wrt, range }) => {
    await withoutGpuErrors(device, async () => {
      expect(await largestError(runtime, graph, range)).toBeLessThan(TOLERANCE);
      expect(await largestError(runtime, vjp(graph, { wrt }), range)).toBeLessThan(TOLERANCE);
    });
    expect(runtime.live.tensors).toBe(0);
  });
}
