/** A robot of numbers, and a clock that is turned by hand. */
import type { Command, DimensionLimits } from '../../src/robot/guard.ts';
import type { Clock, Robot } from '../../src/robot/robot.ts';

export class FakeClock implements Clock {
  #now = 0;
  readonly #wishes = new Set<{ readonly timeMs: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  at(timeMs: number, callback: () => void): () => void {
    const wish = { timeMs, callback };
    this.#wishes.add(wish);
    return () => this.#wishes.delete(wish);
  }

  /** Whatever was wished for until then comes in its time, and what waits for that goes on before the next. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#wishes].toSorted((a, b) => a.timeMs - b.timeMs);
      if (!next || next.timeMs > end) break;
      this.#wishes.delete(next);
      this.#now = Math.max(this.#now, next.timeMs);
      next.callback();
    }
    this.#now = end;
    await settled();
  }

  /** The machine slept: nothing that was wished for came. */
  sleep(ms: number): void {
    this.#now += ms;
  }
}

/** Every promise that can go on has gone on. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** An arm's joint and a gripper, degrees and 0…100. */
export const JOINT: DimensionLimits = { kind: 'position', min: -90, max: 90, speed: 60, acceleration: 300 };
export const GRIPPER: DimensionLimits = {
  kind: 'position',
  min: 0,
  max: 100,
  speed: Infinity,
  acceleration: Infinity,
};
export const SHARE: DimensionLimits = { kind: 'rate', min: -1, max: 1, speed: Infinity, acceleration: 20 };

export interface FakeRobot extends Robot {
  readonly executed: Command[];
  halts: number;
  at: number[];
}

export function fakeRobot(
  clock: Clock,
  limits: readonly DimensionLimits[] = [JOINT, GRIPPER],
  hz = 30,
): FakeRobot {
  return {
    profile: {
      name: 'fake',
      chunkSize: 8,
      actions: limits.map((_, i) => ({ name: `joint ${i}`, unit: 'deg' })),
      state: null,
      normalization: 'bounds',
      images: [],
      controlHz: hz,
    },
    limits,
    executed: [],
    halts: 0,
    at: limits.map(() => 0),
    observe: async () => ({ atMs: clock.now(), images: [], state: null }),
    standing() {
      return this.at;
    },
    execute(command) {
      this.executed.push(command);
      this.at = [...command.values];
    },
    halt() {
      this.halts++;
    },
    close: () => undefined,
  };
}
