import { describe, expect, it } from 'vitest';
import { randomFloats } from '../../../tests/setup/compare.ts';
import { describeGpu } from '../../../tests/setup/gpu.ts';
import { floatsOf } from '../../../tests/setup/kernels.ts';
import { loadModule, loadSafetensors } from '../../../tests/setup/safetensors.ts';
import { adamw as adamwCpu } from './adamw.cpu.ts';
import { adamw } from './adamw.ts';

const DEFAULTS = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const FINETUNE = { ...DEFAULTS, learningRate: 5e-4, weightDecay: 1e-2 };

/** Parameters of 1 and steps of at most the learning rate, in f32. */
const TOLERANCE = 3e-7;

const zeros = (count: number): Float32Array => new Float32Array(count);

function state(count: number) {
  return {
    parameter: randomFloats(count, 1),
    gradient: randomFloats(count, 2),
    m: randomFloats(count, 3).map((value) => value * 0.1),
    v: randomFloats(count, 4).map((value) => value * value),
  };
}

describe('adamw twin', () => {
  it('takes two steps as worked out by hand', () => {
    // Rate 0.1, weight decay 0.01, gradients 0.5 and -0.25, from 1:
    // 1 · 0.999 - 0.1 · 0.5 / (0.5 + 1e-8), then with m = 0.02, v = 0.00031225:
    // 0.899000002 · 0.999 - (0.1 / 0.19) · 0.02 / (√0.00031225 / √0.001999 + 1e-8).
    const options = { ...DEFAULTS, learningRate: 0.1, weightDecay: 0.01, clip: 1 };
    const [parameter, m, v] = [Float32Array.of(1), new Float32Array(1), new Float32Array(1)];
    adamwCpu(parameter, Float32Array.of(0.5), m, v, { ...options, step: 1 });
    expect([parameter[0], m[0], v[0]]).toBeNear([0.899000002, 0.05, 0.00025], 1e-7);
    adamwCpu(parameter, Float32Array.of(-0.25), m, v, { ...options, step: 2 });
    expect([parameter[0], m[0], v[0]]).toBeNear([0.8714672987, 0.02, 0.00031225], 1e-7);
  });

  it('only decays a parameter whose gradient is zero', () => {
    const parameter = randomFloats(9, 1);
    const expected = parameter.map((value) => value * (1 - 5e-6));
    adamwCpu(parameter, zeros(9), zeros(9), zeros(9), { ...FINETUNE, step: 1, clip: 1 });
    expect(parameter).toBeNear(expected, 1e-7);
  });

  it('multiplies the gradient by the clip factor first', () => {
    const [a, b] = [state(20), state(20)];
    adamwCpu(a.parameter, a.gradient, a.m, a.v, { ...FINETUNE, step: 3, clip: 0.25 });
    const scaled = b.gradient.map((value) => value * 0.25);
    adamwCpu(b.parameter, scaled, b.m, b.v, { ...FINETUNE, step: 3, clip: 1 });
    expect({ ...a, gradient: null }).toEqual({ ...b, gradient: null });
  });

  it('refuses step 0 and arrays of different lengths, and changes nothing', () => {
    const { parameter, gradient, m, v } = state(4);
    const before = parameter.slice();
    const step = (count: number, values: Float32Array) => () =>
      adamwCpu(parameter, values, m, v, { ...FINETUNE, step: count, clip: 1 });
    expect(step(0, gradient)).toThrow(expect.objectContaining({ code: 'bad-input' }));
    expect(step(1, gradient.subarray(1))).toThrow(/holds 3 values; 4/);
    expect(parameter).toEqual(before);
  });
});

describe('adamw golden, twin', () => {
  it.each(['libero-l1', 'libero-diffusion'])('%s: the first step of torch', async (folder) => {
    const train = await loadSafetensors(`tests/golden/${folder}/train.safetensors`);
    const module = await loadModule(`tests/golden/${folder}/proprio_projector.safetensors`);
    for (const [name, { data }] of Object.entries(module)) {
      const gradient = train(`grad/proprio_projector.${name}`).f32;
      const parameter = data.slice();
      adamwCpu(parameter, gradient, zeros(data.length), zeros(data.length), {
        ...FINETUNE,
        step: 1,
        clip: 1,
      });
      // Smaller gradients are divided by themselves and epsilon: their last digits decide (the goldens' README).
      const expected = train(`step1/proprio_projector.${name}`).f32;
      const clear = (values: Float32Array) => values.filter((_, i) => Math.abs(gradient[i]!) > 1e-4);
      expect(clear(parameter).length).toBeGreaterThan(data.length / 4);
      expect(clear(parameter)).toBeNear(clear(expected), 1e-6, name);
    }
  });
});

describeGpu('adamw', (device) => {
  async function onGpu(
    { parameter, gradient, m, v }: ReturnType<typeof state>,
    steps: readonly number[],
  ): Promise<Float32Array[]> {
    const count = parameter.length;
    return floatsOf(device, (run) => {
      const buffers = [run.upload(parameter), run.upload(m), run.upload(v)] as const;
      const [values, clip] = [run.upload(gradient), run.upload(Float32Array.of(0.5))];
      for (const step of steps) {
        adamw(run, buffers[0], values, buffers[1], buffers[2], count, { ...FINETUNE, step, clip });
      }
      return buffers.map((buffer) => [buffer, count] as const);
    });
  }

  it.each([1, 255, 257, 10_000])('%i parameters, three steps', async (count) => {
    const start = state(count);
    const actual = await onGpu(start, [1, 2, 3]);
    const { parameter, gradient, m, v } = start;
    for (const step of [1, 2, 3]) adamwCpu(parameter, gradient, m, v, { ...FINETUNE, step, clip: 0.5 });
    expect(actual[0]).toBeNear(parameter, TOLERANCE, 'parameter');
    expect(actual[1]).toBeNear(m, TOLERANCE, 'm');
    expect(actual[2]).toBeNear(v, TOLERANCE, 'v');
  });

  it('more parameters than workgroups fit along one side', async () => {
    const count = 65_535 * 256 + 300;
    const tail = state(1000);
    const long = (end: Float32Array): Float32Array<ArrayBuffer> => {
      const values = new Float32Array(count).fill(0.25);
      values.set(end, count - end.length);
      return values;
    };
    const start = {
      parameter: long(tail.parameter),
      gradient: long(tail.gradient),
      m: long(tail.m),
      v: long(tail.v),
    };
    const [actual] = await onGpu(start, [2]);
    // All before the tail are alike: one of them stands for all, and the twin computes the last ones only.
    const last = (values: Float32Array): Float32Array => values.slice(count - tail.parameter.length - 1);
    const wanted = last(start.parameter);
    const moments = [last(start.m), last(start.v)] as const;
    adamwCpu(wanted, last(start.gradient), ...moments, { ...FINETUNE, step: 2, clip: 0.5 });
    expect(last(actual!)).toBeNear(wanted, TOLERANCE);
    expect(actual!.findIndex((value) => value !== actual![0])).toBe(count - tail.parameter.length);
    expect([actual![0]!]).toBeNear([wanted[0]!], TOLERANCE);
  });
});
