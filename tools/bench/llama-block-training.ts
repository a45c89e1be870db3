/** One LLaMA-2-7B decoder layer with LoRA on every linear layer, q4 base, 600 tokens: forward, and backward with recomputation. */
import { gradientName, vjp } from '../../src/model/graph/vjp.ts';
import { ropeTables } from '../../src/model/network/decoder.ts';
import { loraNames } from '../../src/model/network/scope.ts';
import type { Runtime, Tensors } from '../../src/model/runtime/runtime.ts';
import { randomNumbers } from '../../tests/graph/op-cases.ts';
import {
  blockGraph,
  LINEARS,
  LLAMA_7B,
  median,
  randomQ4,
  weightShape,
  type BlockShape,
} from './llama-block.ts';

export interface BlockTrainingBench {
  readonly rank: number;
  /** Milliseconds per run, interleaved. */
  readonly forwardMs: number[];
  readonly backwardMs: number[];
  /** backward / forward, medians; the backward run computes the forward pass again inside. */
  readonly ratio: number;
}

export async function benchLlamaBlockTraining(
  runtime: Runtime,
  options: { shape?: BlockShape; rank?: number; runs?: number } = {},
): Promise<BlockTrainingBench> {
  const { shape = LLAMA_7B, rank = 32, runs = 3 } = options;
  const { hidden, heads, tokens } = shape;
  const config = { hidden, layers: 1, heads, kvHeads: heads, vocabulary: 0, rmsEps: 1e-6, ropeTheta: 10000 };
  const rope = ropeTables(config, tokens);
  const graph = blockGraph(shape, rank);
  const trained = LINEARS.flatMap((name) => [loraNames(name).a, loraNames(name).b]);
  const forward = await runtime.compile(graph);
  const fused = runtime.fusedGradients ?? false;
  const backward = await runtime.compile(vjp(graph, { wrt: ['x', ...trained], fused }));
  const feeds: Tensors = {
    x: runtime.upload(randomNumbers(tokens * hidden, 11, [-1, 1]), [1, tokens, hidden]),
    cos: runtime.upload(rope.cos, [tokens, hidden / heads / 2]),
    sin: runtime.upload(rope.sin, [tokens, hidden / heads / 2]),
    [gradientName('y')]: runtime.upload(randomNumbers(tokens * hidden, 15, [-1, 1]), [1, tokens, hidden]),
  };
  for (const name of ['input_layernorm', 'post_attention_layernorm']) {
    feeds[`${name}.weight`] = runtime.upload(randomNumbers(hidden, 12, [0.5, 1.5]), [hidden]);
  }
  for (const [i, name] of LINEARS.entries()) {
    const [outputs, inputs] = weightShape(name, shape);
    feeds[`${name}.weight`] = runtime.uploadWeight(randomQ4(name, [outputs, inputs], 101 + i));
    const { a, b } = loraNames(name);
    feeds[a] = runtime.upload(randomNumbers(rank * inputs, 201 + i, [-1 / rank, 1 / rank]), [rank, inputs]);
    feeds[b] = runtime.upload(randomNumbers(outputs * rank, 301 + i, [-0.01, 0.01]), [outputs, rank]);
  }
  const timed = async (program: typeof forward) => {
    const start = performance.now();
    const outputs = await program.run(feeds);
    await runtime.device?.queue.onSubmittedWorkDone();
    const elapsedMs = performance.now() - start;
    for (const tensor of Object.values(outputs)) tensor.dispose();
    return elapsedMs;
  };
  const forwardMs: number[] = [];
  const backwardMs: number[] = [];
  // The first of each is a warm-up.
  for (let run = 0; run <= runs; run++) {
    const [there, back] = [await timed(forward), await timed(backward)];
    if (run === 0) continue;
    forwardMs.push(there);
    backwardMs.push(back);
  }
  for (const tensor of Object.values(feeds)) tensor.dispose();
  await forward.dispose();
  await backward.dispose();
  return { rank, forwardMs, backwardMs, ratio: median(backwardMs) / median(forwardMs) };
}
