/** The policy at work at the table: the robot's worker asks the policy's through a channel between them. */
import * as Comlink from 'comlink';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import type { Observation, Prediction } from '../../src/workers/boundary/contract.ts';
import type { RunNews, RunOrder } from '../../src/workers/boundary/contract-practice.ts';
import { PracticeHost } from '../../src/workers/practice/practice-host.ts';
import { installErrorTransfer, offered } from '../../src/workers/boundary/transfer.ts';
import { codeOf } from './tiny-host.ts';

installErrorTransfer();

const LIFT_OFF = [0, 0, 1, 0, 0, 0, 1];
const ORDER: RunOrder = { most: 12, execute: 4, realTime: false, unnormKey: 'practice_table' };

const frame = () => ({ width: 1, height: 1, data: new Uint8ClampedArray(4) });
const prediction = (actions: number[][]): Prediction =>
  ({ actions, seen: [], stages: [], elapsedMs: 1 }) as unknown as Prediction;

const ports: MessagePort[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

async function atTable(predict: (observation: Observation) => Promise<Prediction>) {
  let draw!: (now: number) => void;
  let now = 0;
  const host = new PracticeHost({
    loadMujoco,
    openScreen: async () => ({
      screen: {
        setPixelRatio: vi.fn<() => void>(),
        setSize: vi.fn<() => void>(),
        render: vi.fn<() => void>(),
      },
      cameras: { observe: async () => [frame(), frame()] },
      software: false,
    }),
    everyFrame: (callback) => (draw = callback),
    everyTick: () => undefined,
    now: () => now,
  });
  await host.open({} as OffscreenCanvas, { width: 64, height: 48, ratio: 1 }, () => undefined);
  await host.reset('lift', 3);
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  Comlink.expose(offered({ predict }), port1);
  await host.linkPolicy(port2);
  const news: RunNews[] = [];
  /** Goes on frame by frame until something is so. */
  const until = async (what: () => boolean): Promise<void> => {
    while (!what()) {
      draw((now += 16));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { host, news, until, tell: (item: RunNews) => void news.push(item) };
}

describe('a run', () => {
  test('asks the policy about what is there, in the words it was trained on, and carries out k of K', async () => {
    const asked: Observation[] = [];
    const { host, news, tell } = await atTable(async (observation) => {
      asked.push(observation);
      return prediction(Array.from({ length: 8 }, () => LIFT_OFF));
    });
    await host.instruct(' LIFT, the red block!! ');
    const report = await host.run(ORDER, tell);
    expect(report).toMatchObject({ steps: 12 });
    expect(
      asked.map(({ instruction, unnormKey, images, state }) => [
        instruction,
        unnormKey,
        images.length,
        state!.length,
      ]),
    ).toEqual([0, 4, 8].map(() => ['lift the red block', 'practice_table', 2, 8]));
    expect(
      news.map((item) =>
        item.kind === 'predicted' ? [item.steps, item.images.length, item.images[0]!.data.length] : item.kind,
      ),
    ).toEqual([0, 4, 8].flatMap((steps) => ['asked', [steps, 2, 4]]));
    expect((await host.commands()).map(({ values }) => values)).toEqual(
      Array.from({ length: 12 }, () => LIFT_OFF),
    );
    await host.instruct(' Wave to me. ');
    await host.run(ORDER, tell);
    expect(asked.at(-1)!.instruction).toBe('Wave to me.');
  });

  test('in real time holds while the policy hangs, says so, and ends when it is halted', async () => {
    let asked = 0;
    const { host, news, until, tell } = await atTable((): Promise<Prediction> =>
      asked++ < 2 ? Promise.resolve(prediction([LIFT_OFF, LIFT_OFF])) : new Promise(() => undefined),
    );
    const running = host.run({ ...ORDER, most: 100, execute: 2, realTime: true }, tell);
    await until(() => news.some(({ kind }) => kind === 'hold'));
    expect(news.at(-1)).toEqual({ kind: 'hold', why: 'no-action' });
    await host.halt();
    expect(await running).toEqual({ achieved: false, steps: expect.any(Number) });
    const sent = await host.commands();
    // What was sent last brought it to rest.
    expect(sent.at(-1)).toMatchObject({ asked: null, values: [0, 0, 0, 0, 0, 0, 1] });
  });

  test('whose policy jumps sends nothing beyond the limits', async () => {
    const { host, until, tell } = await atTable(async () =>
      prediction(
        Array.from({ length: 8 }, (_, i) => [i % 2 ? 50 : -50, Number.NaN, 1e9, 0, 0, 0, i % 2 ? 9 : -9]),
      ),
    );
    await host.limitSpeed(0.5);
    let over = false;
    const running = host.run({ ...ORDER, most: 20, realTime: true }, tell).finally(() => (over = true));
    await until(() => over);
    await running;
    const sent = await host.commands();
    expect(sent.filter(({ asked }) => asked).length).toBe(20);
    for (const { values } of sent) {
      expect(values.slice(0, 6).every((value) => Math.abs(value) <= 0.5)).toBe(true);
      expect(values[6]! >= 0 && values[6]! <= 1).toBe(true);
    }
  });

  test('fails as the policy does, and with no policy says what to do', async () => {
    const { host, tell } = await atTable(() =>
      Promise.reject(new ModelError('busy', 'A policy is being loaded.', 'Wait.')),
    );
    await expect(host.run(ORDER, tell)).rejects.toMatchObject({ code: 'busy', hint: 'Wait.' });
    const bare = new PracticeHost({
      loadMujoco,
      openScreen: async () => ({
        screen: { setPixelRatio: () => undefined, setSize: () => undefined, render: () => undefined },
        cameras: { observe: async () => [] },
        software: false,
      }),
      everyFrame: () => undefined,
      everyTick: () => undefined,
      now: () => 0,
    });
    await bare.open({} as OffscreenCanvas, { width: 64, height: 48, ratio: 1 }, () => undefined);
    expect(await codeOf(bare.run(ORDER, tell))).toBe('bad-input');
  });

  test('of another size than the table takes is refused', async () => {
    const { host, tell } = await atTable(async () => prediction([[1, 2, 3]]));
    await expect(host.run(ORDER, tell)).rejects.toThrow(/7 numbers .* got 3/);
  });
});
