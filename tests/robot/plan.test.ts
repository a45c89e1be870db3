import { expect, test } from 'vitest';
import { Plan } from '../../src/robot/plan.ts';

const chunk = (at: number, value: number) => ({
  at,
  actions: Array.from({ length: 4 }, (_, i) => [value, i]),
});

test('of overlapping chunks the newest counts, and nothing is said beyond them', () => {
  const plan = new Plan();
  expect(plan.at(0)).toBeNull();
  plan.add(chunk(0, 1), false);
  plan.add(chunk(2, 5), false);
  expect([1, 2, 5, 6].map((step) => plan.at(step)?.[0] ?? null)).toEqual([null, 5, 5, null]);
  plan.clear();
  expect(plan.at(2)).toBeNull();
});

test('ensembling leaves a single chunk as it is, bit for bit', () => {
  const plan = new Plan();
  plan.add(chunk(3, 0.1), true);
  expect(plan.at(5)).toEqual([0.1, 2]);
});

test('ensembling weights the oldest most, by exp(−0.01 i)', () => {
  const plan = new Plan();
  plan.add(chunk(0, 1), true);
  plan.add(chunk(1, 0), true);
  expect(plan.at(1)![0]).toBeCloseTo(1 / (1 + Math.exp(-0.01)), 12);
  expect(plan.at(1)![1]).toBeCloseTo(1 / (1 + Math.exp(-0.01)), 12);
});

test('chunks that are over have no say', () => {
  const plan = new Plan();
  plan.add(chunk(0, 9), true);
  plan.add(chunk(4, 1), true);
  expect(plan.at(4)![0]).toBe(1);
});
