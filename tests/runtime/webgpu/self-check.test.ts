import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/model/graph/builder.ts';
import type { Value } from '../../../src/model/graph/types.ts';
import { compilePlan } from '../../../src/model/runtime/webgpu/compile.ts';
import { kernels } from '../../../src/model/runtime/webgpu/kernels/index.ts';
import { isUsable } from '../../../src/model/runtime/webgpu/kernel-report.ts';
import { Pipelines } from '../../../src/model/runtime/webgpu/pipelines.ts';
import type { Subject } from '../../../src/model/runtime/webgpu/plan.ts';
import { rememberedCheck } from '../../../src/model/runtime/webgpu/remembered-check.ts';
import { checkKernels, difference } from '../../../src/model/runtime/webgpu/self-check.ts';
import { checkCases, type CheckCase } from '../../../src/model/runtime/webgpu/self-check-cases.ts';
import { createOwnWebGpuRuntime } from '../../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { describeGpu } from '../../setup/gpu.ts';
import { brokenKernels } from './broken-kernels.ts';

const cases = (...names: string[]) => checkCases().filter(({ graph }) => names.includes(graph.name));

/** Smaller than those of the check: SwiftShader compiles each for a while. */
const norm = smallCase('rmsNorm', 'normalize', (g) =>
  g.rmsNorm(g.input('x', [2, 70]), g.input('w', [70]), 1e-6),
);
const attention = smallCase('attention', 'attention', (g) =>
  g.attention(g.input('q', [1, 3, 8]), g.input('k', [1, 5, 8]), g.input('v', [1, 5, 8]), {
    heads: 2,
    scale: 1,
  }),
);

function smallCase(name: string, subject: Subject, build: (g: GraphBuilder) => Value): CheckCase {
  const g = new GraphBuilder(name);
  g.output(name, build(g));
  return { graph: g.build(), subject, range: [-1, 1] };
}

it('goes through every kernel, in either style', () => {
  const limits = { maxComputeWorkgroupsPerDimension: 65535, maxStorageBufferBindingSize: 2 ** 27 };
  const used = (['tiled', 'direct'] as const).flatMap((style) =>
    checkCases().flatMap(({ graph }) =>
      compilePlan(graph, limits, { style }).steps.map(({ kernel }) => kernel),
    ),
  );
  expect([...new Set(used)].toSorted()).toEqual(Object.keys(kernels).toSorted());
});

it('says where a result differs most, and does not let numbers pass that are none', () => {
  expect(difference([1, 2, 3.0001], [1, 2, 3], [3])).toBeNull();
  expect(difference([1, 2.1, 3, 5], [1, 2, 3, 4], [2, 2])).toBe('gave 5 at [1, 1], expected 4');
  expect(difference([1, NaN, 9], [1, 2, 3], [3])).toBe('gave NaN at [1], expected 2');
});

describeGpu('the self-check of kernels', (device) => {
  it('takes the direct kernels where those for GPUs are wrong or refused', async () => {
    const pipelines = new Pipelines(
      device,
      brokenKernels({
        normalize: ['/ width + params.eps', '/ (width + 1) + params.eps'],
        attention: ['let head = group.y;', 'let head = group.nothing;'],
      }),
    );
    const check = await checkKernels(device, {
      style: 'tiled',
      pipelines,
      cases: [norm, attention],
    });
    expect(check).toMatchObject({
      right: ['attention-direct', 'normalize-direct'],
      styles: { attention: 'direct', normalize: 'direct' },
    });
    expect(isUsable(check)).toBe(true);
    const words = check.faults.map(
      ({ kernel, check: name, problem, replacement }) => `${kernel}, ${name}: ${problem} → ${replacement}`,
    );
    expect(words.toSorted()).toEqual([
      expect.stringMatching(/^attention, attention: .*refused the kernel attention .* → attention-direct$/),
      expect.stringMatching(/^normalize, rmsNorm: gave \S+ at \[\d, \d+\], expected \S+ → normalize-direct$/),
    ]);
    // What is opened then goes by it.
    const { styles } = check;
    const runtime = createOwnWebGpuRuntime(device, {
      style: 'tiled',
      styles,
      pipelines,
      check,
      ownsDevice: false,
    });
    const g = new GraphBuilder('norm');
    g.output('y', g.rmsNorm(g.input('x', [1, 2]), g.constant([1, 1], [2]), 0));
    const program = await runtime.compile(g.build());
    const x = runtime.upload(Float32Array.of(3, 3), [1, 2]);
    const { y } = await program.run({ x });
    expect([...(await runtime.read(y!))]).toEqual([1, 1]);
    expect(runtime.kernelReport?.check).toBe(check);
    await runtime.dispose();
  });

  it('takes another variant of a product, and tunes from then on', async () => {
    const [layer] = cases('linear layer in float32, depth 44');
    const check = await checkKernels(device, {
      style: 'direct',
      pipelines: new Pipelines(
        device,
        brokenKernels({ 'product-direct4': ['sum3 += w * x[3]', 'sum3 -= w * x[3]'] }),
      ),
      cases: [layer!],
    });
    expect(check).toMatchObject({ right: ['product-direct'], styles: { product: 'direct' } });
    expect(check.faults).toMatchObject([{ kernel: 'product-direct4', replacement: 'product-direct' }]);
  });

  it('remembers that all is right, and not that something is wrong', async () => {
    let kept: Readonly<Record<string, string>> = { 'linear 1x2x3': 'tile 32x32' };
    const store = { load: async () => kept, save: async (choices: typeof kept) => void (kept = choices) };
    const options = { style: 'direct', cases: cases('padding') } as const;
    const broken = {
      ...options,
      pipelines: new Pipelines(device, brokenKernels({ pad: ['output[i] = ', 'output[i] = 1 + '] })),
    };
    const wrong = await rememberedCheck(device, store, broken);
    expect(wrong).toMatchObject({ right: [], faults: [{ kernel: 'pad', replacement: null }] });
    expect(Object.keys(kept)).toEqual(['linear 1x2x3']);
    const right = await rememberedCheck(device, store, options);
    expect(right).toMatchObject({ right: ['pad'], faults: [] });
    expect(await rememberedCheck(device, store, broken)).toEqual({ ...right, elapsedMs: null });
    expect(kept['linear 1x2x3']).toBe('tile 32x32');
  });

  it('takes a lost device for no fault of a kernel', async () => {
    const lost = Promise.resolve({ reason: 'unknown', message: 'a crash' });
    const gone = new Proxy(device, {
      get: (target, name) => {
        if (name === 'lost') return lost;
        const found: unknown = Reflect.get(target, name, target);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });
    const check = checkKernels(gone, { style: 'direct', cases: cases('padding') });
    await expect(check).rejects.toMatchObject({ code: 'device-lost' });
  });
});
