import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { decodeFloat32, encodeTensor } from '../../src/model/weights/encoding.ts';
import { createDawnRuntime } from '../../tools/node/dawn-runtime.ts';
import { chromiumVulkan, findChromium } from '../../tools/node/find-chromium.ts';
import { brokenKernels } from './webgpu/broken-kernels.ts';

/** A rotation the wrong way round, which no other kernel of ours can stand in for: so onnxruntime computes. */
const broken = brokenKernels({ rope: ['a * c - b * s', 'a * c + b * s'] });

const opened = await createDawnRuntime('own', broken).catch((error: Error) => error);
if (opened instanceof Error) {
  const chromium = process.platform === 'linux' ? await findChromium() : null;
  if (chromium !== null && chromiumVulkan(chromium) !== null) throw opened;
  console.warn(`onnxruntime-web on Dawn is skipped: ${opened.message}`);
}

const label = opened instanceof Error ? `skipped: ${opened.message}` : opened.label;
describe.skipIf(opened instanceof Error)(`onnxruntime-web's WebGPU in Node [${label}]`, () => {
  const { runtime, release } = opened as Exclude<typeof opened, Error>;
  afterAll(release);

  it('computes where a kernel of ours is wrong, which is named', () => {
    const { executor, check } = runtime.kernelReport!;
    expect(executor).toBe('onnxruntime');
    expect(check!.faults).toEqual([
      {
        kernel: 'rope',
        check: 'rotary embedding',
        problem: expect.stringMatching(/^gave \S+ at \[\d, \d, \d+\], expected \S+$/),
        replacement: null,
      },
    ]);
    // All others are right.
    expect(check!.right).toEqual(expect.arrayContaining(['chain', 'dequantise', 'pad', 'reduce']));
  });

  it('multiplies by a packed weight', async () => {
    const [rows, inputs, outputs] = [2, 32, 3];
    const weight = Float32Array.from({ length: outputs * inputs }, (_, i) => ((i * 7) % 11) - 5);
    const x = Float32Array.from({ length: rows * inputs }, (_, i) => ((i * 5) % 13) - 6);
    const g = new GraphBuilder('packed product');
    g.output('y', g.linear(g.input('x', [rows, inputs]), g.input('w', [outputs, inputs], 'q8')));
    const program = await runtime.compile(g.build());
    const packed = encodeTensor('w', [outputs, inputs], weight, 'q8');
    const decoded = decodeFloat32(packed);
    const feeds = { x: runtime.upload(x, [rows, inputs]), w: runtime.uploadWeight(packed) };
    const { y } = await program.run(feeds);
    const got = await runtime.read(y!);
    for (let row = 0; row < rows; row++) {
      for (let out = 0; out < outputs; out++) {
        let sum = 0;
        for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * decoded[out * inputs + i]!;
        expect(Math.abs(got[row * outputs + out]! - sum)).toBeLessThan(1e-4);
      }
    }
    for (const tensor of [y!, ...Object.values(feeds)]) tensor.dispose();
  });
});
