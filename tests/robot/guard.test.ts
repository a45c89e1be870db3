import { array, assert, constant, constantFrom, double, oneof, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Guard, stoppableFrom } from '../../src/robot/guard.ts';
import { GRIPPER, JOINT, SHARE } from './fake-robot.ts';

const PERIOD = 1000 / 30;
const SECONDS = PERIOD / 1000;
const EXACT = 1e-9;

describe('the guard of a position', () => {
  test('comes as near as it is asked to, no faster than it may, and stops there', () => {
    const guard = new Guard([JOINT], PERIOD);
    guard.start([0]);
    const places = Array.from({ length: 90 }, () => guard.pass([30]).values[0]!);
    expect(places.at(-1)).toBeCloseTo(30, 9);
    expect(Math.max(...places)).toBeLessThanOrEqual(30 + EXACT);
    const steps = places.map((place, i) => place - (places[i - 1] ?? 0));
    expect(Math.max(...steps)).toBeCloseTo(JOINT.speed * SECONDS, 9);
    expect(guard.atRest).toBe(true);
  });

  test('whatever is asked, and however often it is told to hold: within range, speed and acceleration', () => {
    const asked = oneof(
      double({ min: -400, max: 400, noNaN: true }),
      constantFrom(Number.NaN, Infinity, -Infinity, 1e308, -90, 90),
      constant(null),
    );
    assert(
      property(
        double({ min: -90, max: 90, noNaN: true }),
        array(asked, { minLength: 5, maxLength: 80 }),
        (from, all) => {
          const guard = new Guard([JOINT], PERIOD);
          guard.start([from]);
          let before = from;
          let velocity = 0;
          for (const one of all) {
            const [place] = (one === null ? guard.hold() : guard.pass([one])).values as [number];
            expect(place).toBeGreaterThanOrEqual(JOINT.min - EXACT);
            expect(place).toBeLessThanOrEqual(JOINT.max + EXACT);
            expect(Math.abs(place - before)).toBeLessThanOrEqual(JOINT.speed * SECONDS + EXACT);
            expect(Math.abs(place - before - velocity)).toBeLessThanOrEqual(
              JOINT.acceleration * SECONDS ** 2 + EXACT,
            );
            velocity = place - before;
            before = place;
          }
        },
      ),
    );
  });

  test('slows down with the speed limit, and stands at none', () => {
    const guard = new Guard([JOINT], PERIOD);
    guard.limitSpeed(0.5);
    let before = 0;
    for (let i = 0; i < 30; i++) {
      const [place] = guard.pass([80]).values as [number];
      expect(place - before).toBeLessThanOrEqual(0.5 * JOINT.speed * SECONDS + EXACT);
      before = place;
    }
    guard.limitSpeed(Number.NaN);
    for (let i = 0; i < 10; i++) guard.pass([80]);
    expect(guard.pass([80]).values).toEqual(guard.pass([80]).values);
  });

  test('brings back what stands beyond its range at its own pace', () => {
    const guard = new Guard([JOINT], PERIOD);
    guard.start([95]);
    const [first] = guard.pass([0]).values as [number];
    expect(first).toBeLessThan(95);
    expect(95 - first).toBeLessThanOrEqual(JOINT.acceleration * SECONDS ** 2 + EXACT);
  });

  test('opens and closes at once what has no speed, within its range, and leaves it where no number is given', () => {
    const guard = new Guard([GRIPPER], PERIOD);
    guard.start([50]);
    expect([-5, 120, Number.NaN, 30].map((one) => guard.pass([one]).values[0])).toEqual([0, 100, 100, 30]);
    expect(guard.hold().values).toEqual([30]);
  });
});

describe('the guard of a rate', () => {
  const limits = { ...SHARE, acceleration: Infinity };

  test('clamps it to the speed limit, and stands still where a prediction is no number', () => {
    const guard = new Guard([limits], 100);
    guard.limitSpeed(0.5);
    expect([0.9, -3, 0.1, Number.NaN, Infinity].map((one) => guard.pass([one]).values[0])).toEqual([
      0.5, -0.5, 0.1, 0, 0,
    ]);
    expect(guard.pass([]).values).toEqual([0]);
    expect(guard.hold().values).toEqual([0]);
  });

  test('changes it no faster than it may', () => {
    const guard = new Guard([{ ...SHARE, acceleration: 5 }], 100);
    expect([1, 1, 1, -1].map((one) => guard.pass([one]).values[0])).toEqual([0.5, 1, 1, 0.5]);
    expect(guard.atRest).toBe(false);
    expect(guard.hold().values).toEqual([0]);
    expect(guard.atRest).toBe(true);
  });
});

test('what can be stopped from is the most that can be: braking covers the distance, and no more', () => {
  assert(
    property(
      double({ min: 0, max: 200, noNaN: true }),
      double({ min: 1e-3, max: 50, noNaN: true }),
      (distance, change) => {
        let gone = 0;
        for (let v = stoppableFrom(distance, change); v > 0; v -= change) gone += v;
        expect(gone).toBeCloseTo(distance, 6);
      },
    ),
  );
});
