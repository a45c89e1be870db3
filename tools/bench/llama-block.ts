/** One LLaMA-2-7B decoder layer at its real size, 600 tokens, q4, random weights: speed, and truth against a plain-TypeScript twin. */
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { BLOCK_SIZE, sizeOf, type DType, type Graph } from '../../src/model/graph/types.ts';
import { decoderLayer, ropeTables } from '../../src/model/network/decoder.ts';
import { loraNames, Scope } from '../../src/model/network/scope.ts';
import type { Runtime, Tensor, Tensors } from '../../src/model/runtime/runtime.ts';
import type { EncodedTensor } from '../../src/model/weights/encoding.ts';
import { randomNumbers } from '../../tests/graph/op-cases.ts';
import { twinRows, type BlockWeights } from './llama-block-twin.ts';

export interface BlockShape {
  hidden: number;
  intermediate: number;
  heads: number;
  tokens: number;
}

export const LLAMA_7B: BlockShape = { hidden: 4096, intermediate: 11008, heads: 32, tokens: 600 };

export interface BlockBench {
  /** Milliseconds per run, one entry a run. */
  blockMs: number[];
  blockGflops: number;
  /** x[tokens, hidden] · W[hidden, hidden] in float32 by the same provider, interleaved with the block's runs. */
  matMulMs: number[];
  matMulGflops: number;
  /** blockGflops / matMulGflops. */
  ratio: number;
  /** Largest |ours − twin| / largest |twin| over the sampled rows; null when not asked for. */
  twinError: number | null;
  twinRows: number[];
}

export const LINEARS = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const;

export function weightShape(
  name: (typeof LINEARS)[number],
  { hidden, intermediate }: BlockShape,
): [number, number] {
  if (name === 'mlp.down_proj') return [hidden, intermediate];
  return name.startsWith('mlp') ? [intermediate, hidden] : [hidden, hidden];
}

/** Uniform 4-bit codes; scales chosen so that each product keeps the size of its input. */
export function randomQ4(name: string, [n, k]: [number, number], seed: number): EncodedTensor {
  const words = new Uint32Array((n * k) / 8);
  let state = seed;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state >>> 0;
  }
  const scales = randomNumbers((n * k) / BLOCK_SIZE, seed + 1, [0.1 / Math.sqrt(k), 0.3 / Math.sqrt(k)]);
  return {
    name,
    shape: [n, k],
    encoding: 'q4',
    data: new Uint8Array(words.buffer),
    scales: scales as Float32Array<ArrayBuffer>,
  };
}

/** @param rank of LoRA on every linear layer; 0 for none */
export function blockGraph(shape: BlockShape, rank = 0): Graph {
  const { hidden, heads, tokens } = shape;
  const table = new Map<string, { shape: number[]; dtype: DType }>();
  for (const name of LINEARS) {
    const [outputs, inputs] = weightShape(name, shape);
    table.set(`${name}.weight`, { shape: [outputs, inputs], dtype: 'q4' });
    if (rank === 0) continue;
    table.set(loraNames(name).a, { shape: [rank, inputs], dtype: 'float32' });
    table.set(loraNames(name).b, { shape: [outputs, rank], dtype: 'float32' });
  }
  for (const name of ['input_layernorm', 'post_attention_layernorm']) {
    table.set(`${name}.weight`, { shape: [hidden], dtype: 'float32' });
  }
  const g = new GraphBuilder('llama block');
  const half = hidden / heads / 2;
  const config = { hidden, layers: 1, heads, kvHeads: heads, vocabulary: 0, rmsEps: 1e-6, ropeTheta: 10000 };
  const rope = { cos: g.input('cos', [tokens, half]), sin: g.input('sin', [tokens, half]) };
  g.output(
    'y',
    decoderLayer(
      g,
      config,
      new Scope(g, table, ''),
      g.input('x', [1, tokens, hidden]),
      { rope },
      () => undefined,
    ).x,
  );
  return g.build();
}

export async function benchLlamaBlock(
  runtime: Runtime,
  options: { shape?: BlockShape; runs?: number; sampledRows?: number[] } = {},
): Promise<BlockBench> {
  const shape = options.shape ?? LLAMA_7B;
  const { hidden, intermediate, heads, tokens } = shape;
  const config = { hidden, layers: 1, heads, kvHeads: heads, vocabulary: 0, rmsEps: 1e-6, ropeTheta: 10000 };
  const rope = ropeTables(config, tokens);
  const x = randomNumbers(tokens * hidden, 11, [-1, 1]);
  const norms = [randomNumbers(hidden, 12, [0.5, 1.5]), randomNumbers(hidden, 13, [0.5, 1.5])] as const;
  const linears = Object.fromEntries(
    LINEARS.map((name, i) => [name, randomQ4(name, weightShape(name, shape), 101 + i)]),
  );

  const graph = blockGraph(shape);
  const program = await runtime.compile(graph);
  const feeds: Tensors = {
    x: runtime.upload(x, [1, tokens, hidden]),
    cos: runtime.upload(rope.cos, [tokens, hidden / heads / 2]),
    sin: runtime.upload(rope.sin, [tokens, hidden / heads / 2]),
    'input_layernorm.weight': runtime.upload(norms[0], [hidden]),
    'post_attention_layernorm.weight': runtime.upload(norms[1], [hidden]),
  };
  for (const [name, weight] of Object.entries(linears))
    feeds[`${name}.weight`] = runtime.uploadWeight(weight);

  const plain = new GraphBuilder('plain matMul');
  plain.output('y', plain.matMul(plain.input('a', [tokens, hidden]), plain.input('b', [hidden, hidden])));
  const matMul = await runtime.compile(plain.build());
  const matMulFeeds: Tensors = {
    a: runtime.upload(x, [tokens, hidden]),
    b: runtime.upload(randomNumbers(hidden * hidden, 14, [-1, 1]), [hidden, hidden]),
  };

  const timed = async (run: () => Promise<Tensors>) => {
    const start = performance.now();
    const outputs = await run();
    await runtime.device?.queue.onSubmittedWorkDone();
    return { elapsedMs: performance.now() - start, y: outputs['y']! };
  };
  const blockMs: number[] = [];
  const matMulMs: number[] = [];
  let twinError: number | null = null;
  // The first of each is a warm-up: kernels are compiled and buffers are found.
  for (let run = 0; run <= (options.runs ?? 3); run++) {
    const plainRun = await timed(() => matMul.run(matMulFeeds));
    const blockRun = await timed(() => program.run(feeds));
    if (run === 0 && options.sampledRows) {
      const weights: BlockWeights = { linears, norms, rope };
      twinError = await compareRows(
        runtime,
        blockRun.y,
        twinRows(shape, x, weights, options.sampledRows),
        options.sampledRows,
        hidden,
      );
    }
    plainRun.y.dispose();
    blockRun.y.dispose();
    if (run > 0) {
      matMulMs.push(plainRun.elapsedMs);
      blockMs.push(blockRun.elapsedMs);
    }
  }
  for (const tensor of [...Object.values(feeds), ...Object.values(matMulFeeds)]) tensor.dispose();
  await program.dispose();
  await matMul.dispose();

  const linearFlops = 2 * tokens * (4 * hidden * hidden + 3 * hidden * intermediate);
  const attentionFlops = 4 * tokens * tokens * hidden;
  const blockGflops = (linearFlops + attentionFlops) / median(blockMs) / 1e6;
  const matMulGflops = (2 * sizeOf([tokens, hidden, hidden])) / median(matMulMs) / 1e6;
  return {
    blockMs,
    blockGflops,
    matMulMs,
    matMulGflops,
    ratio: blockGflops / matMulGflops,
    twinError,
    twinRows: options.sampledRows ?? [],
  };
}

async function compareRows(
  runtime: Runtime,
  y: Tensor,
  twin: Float64Array[],
  rows: number[],
  hidden: number,
): Promise<number> {
  const ours = await runtime.read(y);
  let worst = 0;
  let largest = 0;
  rows.forEach((row, i) => {
    for (let col = 0; col < hidden; col++) {
      worst = Math.max(worst, Math.abs(ours[row * hidden + col]! - twin[i]![col]!));
      largest = Math.max(largest, Math.abs(twin[i]![col]!));
    }
  });
  return worst / largest;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
