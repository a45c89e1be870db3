import { expect, test } from 'vitest';
import { scoreReport } from './score-report.ts';

const action = [
  { name: 'x', mean: 1 },
  { name: 'gripper', mean: 0 },
];
const recorded = [
  [0, 0],
  [2, 0],
];

test('the error is told in its units, beside that of the mean predictor', () => {
  const predicted = [
    [0.5, 0.1],
    [2, 0.1],
  ];
  const report = scoreReport([{ predicted, recorded, byKey: [] }], action);
  expect(report.dimensions).toEqual([
    { name: 'x', policy: 0.25, mean: 1 },
    // It never moves: the mean is right about it, and nothing can be better.
    { name: 'gripper', policy: 0.1, mean: 0 },
  ]);
  expect(report.ratio).toBe(0.25);
});

const check = (wrong: number, right: number) => ({
  predicted: [
    [wrong, 0],
    [2, 0],
  ],
  recorded,
  byKey: [
    {
      key: 'fractal',
      predicted: [
        [wrong, 0],
        [2, 0],
      ],
    },
    {
      key: 'bridge',
      predicted: [
        [right, 0],
        [2, 0],
      ],
    },
  ],
});

test('of several statistics those that fit best come first', () => {
  const { keys, ratio } = scoreReport([check(4, 0), check(4, 1)], action);
  expect(keys).toEqual([
    { key: 'bridge', ratio: 0.25 },
    { key: 'fractal', ratio: 2 },
  ]);
  expect(ratio).toBe(2);
});
