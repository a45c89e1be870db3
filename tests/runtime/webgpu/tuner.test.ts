import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/model/graph/builder.ts';
import type { DType, Graph } from '../../../src/model/graph/types.ts';
import { compilePlan } from '../../../src/model/runtime/webgpu/compile.ts';
import { Pipelines } from '../../../src/model/runtime/webgpu/pipelines.ts';
import type { Step } from '../../../src/model/runtime/webgpu/plan.ts';
import { Tuner } from '../../../src/model/runtime/webgpu/tuner.ts';
import { describeGpu } from '../../setup/gpu.ts';

function layer(dtype: DType, transposed = false): Graph {
  const g = new GraphBuilder('layer');
  const w = g.input('w', [36, 64], dtype);
  g.output(
    'y',
    transposed
      ? g.linearTransposed(g.input('x', [5, 36]), w)
      : g.gelu(g.linear(g.input('x', [5, 64]), w, g.input('b', [36]))),
  );
  return g.build();
}

describeGpu('the tuner', (device) => {
  const pipelines = new Pipelines(device);
  /** The product of a layer with the kernels for software adapters only, which compile fast here. */
  const product = (graph: Graph): Step => {
    const [step] = compilePlan(graph, device.limits, { style: 'direct' }).steps;
    return { ...step!, variants: step!.variants!.filter(({ kernel }) => kernel !== 'product') };
  };

  it.each([
    ['float32', false],
    ['q8', false],
    ['q4', false],
    ['q4', true],
  ] as const)('finds every variant right, %s, transposed %s', async (dtype, transposed) => {
    const tuner = new Tuner(device, pipelines);
    const tuned = await tuner.tuned(product(layer(dtype, transposed)));
    const [report] = tuner.report;
    expect(report!.wrong).toEqual([]);
    expect(Object.keys(report!.times!)).toContain(report!.variant);
    expect(tuned.kernel).toBe(`product-${report!.variant}`);
  });

  it('never uses a variant that is wrong, or that the driver refuses, and names it', async () => {
    const step = product(layer('float32'));
    const [right] = step.variants!;
    const { workgroups, constants } = right!;
    const variants = [
      { ...right!, name: 'leaves rows out', workgroups: [workgroups[0], 0, workgroups[2]] as const },
      { ...right!, name: 'forgets the bias', constants: { ...constants, E_OP0: 0 } },
      { ...right!, name: 'is refused', constants: { ...constants, NO_SUCH: 1 } },
      right!,
    ];
    const tuner = new Tuner(device, pipelines);
    const tuned = await tuner.tuned({ ...step, variants });
    expect(tuner.report[0]).toMatchObject({
      variant: right!.name,
      wrong: ['leaves rows out', 'forgets the bias', 'is refused'],
    });
    expect(tuned.constants).toEqual(constants);
    const nothingRight = new Tuner(device, pipelines).tuned({ ...step, variants: variants.slice(0, 2) });
    await expect(nothingRight).rejects.toMatchObject({
      fault: {
        kernel: right!.kernel,
        check: expect.stringMatching(/^linear gelu 5x36x64/) as string,
        problem: 'leaves rows out, forgets the bias',
        replacement: null,
      },
    });
  });

  it('remembers what it chose', async () => {
    let kept: Readonly<Record<string, string>> = {};
    const store = { load: async () => kept, save: async (choices: typeof kept) => void (kept = choices) };
    const step = product(layer('q8'));
    const tuner = new Tuner(device, pipelines, { store });
    await tuner.tuned(step);
    await tuner.save();
    expect(Object.values(kept)).toEqual([tuner.report[0]!.variant]);
    const again = new Tuner(device, pipelines, { store });
    await again.tuned(step);
    expect(again.report[0]).toMatchObject({ variant: tuner.report[0]!.variant, times: null });
  });
});
