import { expect, it } from 'vitest';
import type { GpuReport } from '../../workers/boundary/contract.ts';
import { gpuLines, gpuWarning } from './gpu-words.ts';

const fault = {
  kernel: 'attention',
  check: 'attention with a mask',
  problem: 'gave 2 at [0, 1], expected 1',
  replacement: 'attention-direct',
};
const report: GpuReport = {
  executor: 'own',
  check: { right: ['chain', 'rope'], faults: [], elapsedMs: 212.4 },
  tuned: [],
};

it('is short where all is well', () => {
  expect(gpuWarning(report)).toBeNull();
  expect(gpuLines(report)).toEqual([
    "Computed by this page's own kernels.",
    'Checked against float64 in 212 ms. Right: chain, rope.',
  ]);
});

it('names what is refused, what replaces it, and what was measured', () => {
  const found: GpuReport = {
    ...report,
    check: { ...report.check!, faults: [fault], elapsedMs: null },
    tuned: [
      {
        shape: 'linear 600x64x64',
        variant: 'tile 64x64',
        times: { 'tile 64x64': 0.5, direct: 12 },
        wrong: ['direct4'],
      },
      { shape: 'matMul 9x9x9', variant: 'direct', times: null, wrong: [] },
    ],
  };
  expect(gpuWarning(found)).toBe(
    'This GPU computes wrong results with attention. attention-direct is used instead.',
  );
  expect(gpuLines(found).slice(1)).toEqual([
    'Checked against float64 on an earlier visit. Right: chain, rope.',
    'Refused: attention, checked with "attention with a mask": gave 2 at [0, 1], expected 1. Here attention-direct is used instead.',
    'linear 600x64x64: tile 64x64 (measured: tile 64x64 0.50 ms, direct 12 ms). Wrong, so never used: direct4.',
    'matMul 9x9x9: direct (remembered).',
  ]);
});

it('tells that onnxruntime computes, and because of which kernel', () => {
  const fallen: GpuReport = {
    executor: 'onnxruntime',
    check: { ...report.check!, faults: [fault, { ...fault, kernel: 'rope', replacement: null }] },
    tuned: [],
  };
  expect(gpuWarning(fallen)).toBe(
    "This GPU computes wrong results with rope, so onnxruntime computes instead of this page's own kernels.",
  );
  expect(gpuLines(fallen)).toContain(
    'Refused: rope, checked with "attention with a mask": gave 2 at [0, 1], expected 1. Here nothing can replace it.',
  );
});
