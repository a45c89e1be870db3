/** A GPU that is lost at any moment of loading, predicting or training, on Dawn in Node. */
import { expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { Random } from '../../src/base/random.ts';
import type { Runtime } from '../../src/model/runtime/runtime.ts';
import { createOwnWebGpuRuntime } from '../../src/model/runtime/webgpu/webgpu-runtime.ts';
import { openDawn } from '../../tools/node/dawn.ts';
import {
  newDevice,
  nothing,
  observationFor,
  openMadeUp,
  optionsFor,
  tinyHost,
  urlOf,
  type TinyHost,
} from './tiny-host.ts';

const MOMENTS = Number(process.env['KILLS'] ?? 20);
const STEPS = 4;
const options = optionsFor({ maxSteps: STEPS, saveFreq: 1 });

/** Devices of a host, one after the other; the first is destroyed as the `fatal`-th thing is asked of it. */
function devices(fatal: number) {
  const opened: { calls: number; release: () => void }[] = [];
  const open = async (onLost: (error: ModelError) => void): Promise<Runtime> => {
    const dawn = await openDawn();
    if (!('device' in dawn)) throw new Error(dawn.reason);
    const { device } = dawn;
    const first = opened.length === 0;
    const state = { calls: 0, release: () => dawn.release() };
    opened.push(state);
    // As the page does, which hears of it a little later.
    void device.lost.then(({ message }) =>
      onLost(new ModelError('device-lost', `The GPU was lost: ${message}`)),
    );
    const counted = <T extends object>(target: T, names: readonly (keyof T & string)[]) => {
      for (const name of names) {
        const original = (target[name] as (...args: unknown[]) => unknown).bind(target);
        const call = (...args: unknown[]): unknown => {
          if (first && state.calls++ === fatal) device.destroy();
          return original(...args);
        };
        Object.defineProperty(target, name, { value: call });
      }
    };
    counted(device, [
      'createBuffer',
      'createComputePipelineAsync',
      'createCommandEncoder',
      'createBindGroup',
    ]);
    counted(device.queue, ['submit', 'writeBuffer']);
    return createOwnWebGpuRuntime(device);
  };
  return { opened, open };
}

interface Told {
  readonly losses: Map<number, number>;
  /** What the call that failed said; null where none did. */
  readonly failed: { readonly call: string; readonly error: unknown } | null;
}

const PHASES = ['loading', 'predicting', 'training'] as const;

/** Loads, predicts, trains; up to what fails first. @param onPhase is told of each as it begins */
async function live(
  tiny: TinyHost,
  resume: boolean,
  onPhase: (phase: (typeof PHASES)[number]) => void = nothing,
): Promise<Told> {
  const losses = new Map<number, number>();
  let call = '';
  const enter = (phase: (typeof PHASES)[number]) => {
    call = phase;
    onPhase(phase);
  };
  try {
    enter('loading');
    const info = await tiny.host.load(urlOf('first'), 'auto', nothing);
    enter('predicting');
    await tiny.host.predict(observationFor(info));
    enter('training');
    await openMadeUp(tiny, info);
    const end = await tiny.host.training.start(options, resume, (event) => {
      if (event.kind === 'step') losses.set(event.point.step, event.point.loss);
    });
    expect(end.phase).toBe('done');
    return { losses, failed: null };
  } catch (error) {
    return { losses, failed: { call, error } };
  }
}

it(`is asked for anew ${MOMENTS} times: nothing is fetched again, and the run ends on the same curve`, async () => {
  const untouched = devices(Infinity);
  const whole = await tinyHost(newDevice(), { real: untouched.open });
  const callsSoFar = () => untouched.opened[0]?.calls ?? 0;
  const begins: number[] = [];
  const { losses: expected, failed: none } = await live(whole, false, () => begins.push(callsSoFar()));
  expect(none).toBeNull();
  expect(expected.size).toBe(STEPS);
  begins.push(callsSoFar());
  await whole.host.dispose();

  const random = new Random(20);
  const calledAt = new Map<string, number>();
  for (let moment = 0; moment < MOMENTS; moment++) {
    // As often in each phase, whatever it asks of the device.
    const phase = moment % PHASES.length;
    const [from, to] = [begins[phase]!, begins[phase + 1]!];
    const fatal = from + random.integer(to - from);
    const here = devices(fatal);
    const tiny = await tinyHost(newDevice(), { real: here.open });
    const before = await live(tiny, false);
    // What is asked of a device after the last answer that anybody waits for is noticed by the next call.
    expect(before.failed, `${PHASES[phase]}, call ${fatal}`).not.toBeNull();
    const { call, error } = before.failed!;
    calledAt.set(call, (calledAt.get(call) ?? 0) + 1);
    expect(error, `${call}, call ${fatal}`).toMatchObject({ code: 'device-lost' });

    tiny.served.clear();
    const stored = (await tiny.host.training.runs()).some(({ step }) => step > 0);
    const after = await live(tiny, stored);
    expect(after.failed, `after ${call}, call ${fatal}`).toBeNull();
    for (const [step, loss] of expected) {
      const found = after.losses.get(step) ?? before.losses.get(step);
      expect(found, `step ${step} after ${call}, call ${fatal}`).toBeCloseTo(loss, 6);
    }
    await tiny.host.dispose();
    for (const { release } of here.opened) release();
  }
  for (const { release } of untouched.opened) release();
  for (const phase of PHASES) expect(calledAt.get(phase) ?? 0, [...calledAt].join(' ')).toBeGreaterThan(0);
}, 3_000_000);
