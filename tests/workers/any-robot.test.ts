import { describe, expect, test } from 'vitest';
import { Random } from '../../src/base/random.ts';
import type { PolicyInfo } from '../../src/workers/boundary/contract.ts';
import type { RobotChoice } from '../../src/workers/boundary/contract-demonstrations.ts';
import type { RecordedDemonstrations } from '../../src/workers/boundary/contract-practice.ts';
import {
  codeOf,
  loadedHost,
  newDevice,
  nothing,
  observationFor,
  openMadeUp,
  optionsFor,
  type TinyHost,
} from './tiny-host.ts';

const SIDE = 8;
const JOINTS = ['shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper'];

interface Arm {
  readonly joints?: readonly string[];
  readonly fps?: number;
  readonly cameras?: readonly string[];
  readonly length?: number;
  readonly state?: boolean;
}

function image(seed: number) {
  const random = new Random(seed);
  const data = Uint8ClampedArray.from({ length: 4 * SIDE * SIDE }, (_, i) =>
    i % 4 === 3 ? 255 : random.integer(256),
  );
  return { width: SIDE, height: SIDE, data };
}

/** An arm that is told where to be, in degrees, and is there a step later. */
function arm({
  joints = JOINTS.map((name) => `${name}.pos`),
  fps = 30,
  cameras = ['observation.images.front', 'observation.images.wrist'],
  length = 60,
  state = true,
}: Arm = {}): RecordedDemonstrations {
  const width = joints.length;
  return {
    name: 'so101 pens',
    fps,
    actionNames: [...joints],
    stateNames: state ? [...joints] : null,
    cameras: cameras.map((name) => ({ name, width: SIDE, height: SIDE })),
    episodes: [0, 1, 2].map((e) => {
      const target = (step: number, joint: number) => 50 * Math.sin(step / 9 + joint + e);
      const rows = (shift: number) =>
        Float32Array.from({ length: length * width }, (_, i) =>
          target(Math.floor(i / width) + shift, i % width),
        );
      return {
        instruction: 'put the pen into the cup',
        actions: rows(1),
        state: state ? rows(0) : null,
        frames: Object.fromEntries(
          cameras.map((name, c) => [
            name,
            Array.from({ length }, (_step, step) => image(1000 * e + 100 * c + step)),
          ]),
        ),
        scene: null,
      };
    }),
  };
}

const open = ({ host }: TinyHost, recorded: RecordedDemonstrations) =>
  host.demonstrations.open({ kind: 'recorded', recorded }, nothing);

/** The newest word of what predicts. */
async function watched(tiny: TinyHost): Promise<{ readonly inUse: PolicyInfo | null }> {
  const seen: { inUse: PolicyInfo | null } = { inUse: null };
  await tiny.host.watchInUse((info) => (seen.inUse = info));
  return seen;
}

async function guessed(tiny: TinyHost, recorded = arm()): Promise<RobotChoice> {
  return (await open(tiny, recorded)).robot.choice!;
}

describe('demonstrations of another robot', () => {
  test('are told from those of the policy, and their robot is guessed', async () => {
    const tiny = await loadedHost();
    await openMadeUp(tiny, tiny.info);
    const { robot, problems } = await open(tiny, arm());
    expect(problems).toEqual([]);
    expect(robot.differs.map(({ id }) => id)).toContain('actions');
    expect(robot.choice).toMatchObject({
      head: 'l1',
      film: false,
      cameras: ['observation.images.front', 'observation.images.wrist'],
      profile: { controlHz: 30, normalization: 'bounds', images: [{ name: 'primary' }, { name: 'wrist' }] },
    });
    // Below 100, degrees and per cent of the range look alike.
    expect(robot.actions[0]).toMatchObject({ unit: 'deg', certain: false, kind: 'absolute' });
    expect(robot.choice!.profile.state).toHaveLength(6);
  });

  test('of the policy’s own robot are more of it', async () => {
    const tiny = await loadedHost();
    const { info } = tiny;
    const names = info.actions.map(({ name }) => name);
    const own = {
      ...arm({ joints: names, fps: info.controlHz, cameras: info.imageSlots.map(({ name }) => name) }),
    };
    const states = info.state && info.state.map(({ name }) => name);
    const recorded = {
      ...own,
      stateNames: states,
      episodes: own.episodes.map((episode) => ({
        ...episode,
        state: states && new Float32Array((episode.actions.length / names.length) * states.length),
      })),
    };
    const { robot } = await open(tiny, recorded);
    expect(robot).toMatchObject({ choice: null, startFrom: null, differs: [], thinning: null });
  });

  test('are trained on as chosen: names, units, rate, chunk, cameras, state; the choice is kept through edits', async () => {
    const tiny = await loadedHost();
    const { host } = tiny;
    const choice = await guessed(tiny);
    const before = (await host.demonstrations.as(choice, null)).samples;
    const slow: RobotChoice = {
      ...choice,
      cameras: ['observation.images.wrist'],
      profile: {
        ...choice.profile,
        controlHz: 10,
        chunkSize: 5,
        state: null,
        images: [{ name: 'primary', label: 'Wrist' }],
      },
    };
    const info = await host.demonstrations.as(slow, null);
    expect(info.robot.thinning).toEqual({ from: 30, to: 10, steps: 3, before: 180, after: 60, dropped: 0 });
    expect(info.episodes.map(({ length }) => length)).toEqual([20, 20, 20]);
    expect(info).toMatchObject({ samples: 3 * 16, slots: [{ camera: 'observation.images.wrist' }] });
    expect(info.samples).not.toBe(before);
    const edited = await host.demonstrations.edit({ 0: { deleted: true } });
    expect(edited.robot.choice).toEqual(slow);
    expect(edited.samples).toBe(2 * 16);
    expect(await codeOf(host.demonstrations.as({ ...slow, thinnedAs: [] }, null))).toBe('bad-input');
    const broken = { ...slow, profile: { ...slow.profile, chunkSize: 0 } };
    expect(await codeOf(host.demonstrations.as(broken, null))).toBe('bad-input');
    expect((await host.demonstrations.edit({})).robot.choice).toEqual(slow);
  });
});

describe('a policy in use', () => {
  test('of another robot is base and adapter: it predicts in its own sizes, and the base is as it was', async () => {
    const tiny = await loadedHost();
    const { host, info } = tiny;
    const seen = await watched(tiny);
    const before = await host.predict(observationFor(info));
    const robot = await guessed(tiny, arm({ cameras: ['front'] }));
    const options = optionsFor({ robot, freshModules: true });
    const estimate = await host.training.estimate(options);
    expect(estimate.refusal).toBeNull();
    expect(estimate.secondsPerStep).not.toBeNull();
    const progress = await host.training.start(options, false, nothing);
    expect(progress.phase).toBe('done');
    expect(seen.inUse).toMatchObject({
      adapted: true,
      robot: 'so101 pens',
      chunkSize: robot.profile.chunkSize,
      unnormKeys: ['so101_pens'],
      imageSlots: [{ name: 'primary' }],
    });
    const chunk = await host.predict(observationFor(seen.inUse!));
    expect(chunk.actions).toHaveLength(robot.profile.chunkSize);
    expect(chunk.actions[0]).toHaveLength(6);
    const check = await host.demonstrations.check(0, 3);
    expect(check.steps.slice(0, 3)).toEqual([3, 4, 5]);

    const { adapters, active } = await host.adapters.list();
    expect(adapters.find(({ id }) => id === active)!.robot).toEqual({
      name: 'so101 pens',
      actions: 6,
      images: 1,
      head: 'l1',
    });
    await host.adapters.use(null);
    expect(seen.inUse).toMatchObject({
      adapted: false,
      chunkSize: info.chunkSize,
      unnormKeys: info.unnormKeys,
    });
    expect((await host.predict(observationFor(info))).actions).toEqual(before.actions);
    // Of the robot in these demonstrations nothing can be asked of the base.
    expect(await codeOf(host.demonstrations.check(0, 3))).toBe('bad-input');
    await host.adapters.use(active);
    expect((await host.predict(observationFor(seen.inUse!))).actions).toEqual(chunk.actions);
    await host.dispose();
    expect(tiny.runtime()).toMatchObject({ live: { tensors: 0 }, programs: 0 });
  });

  test('with any head that finetune.py trains, is shared as a file and opened by others', async () => {
    for (const head of ['l1', 'diffusion'] as const) {
      const tiny = await loadedHost();
      const seen = await watched(tiny);
      const robot = { ...(await guessed(tiny)), head, diffusionSteps: 5, film: true };
      await tiny.host.training.start(optionsFor({ robot, maxSteps: 1 }), false, nothing);
      expect(seen.inUse).toMatchObject({ head, diffusionSteps: head === 'diffusion' ? 5 : null });
      const chunk = await tiny.host.predict(observationFor(seen.inUse!));
      const { active } = await tiny.host.adapters.list();
      const { file } = await tiny.host.adapters.file(active!);

      const other = await loadedHost();
      const there = await watched(other);
      const { id } = await other.host.adapters.openFile(file, 'from a friend');
      await other.host.adapters.use(id);
      expect(there.inUse).toMatchObject({ ...seen.inUse, package: there.inUse!.package });
      expect((await other.host.predict(observationFor(there.inUse!))).actions).toEqual(chunk.actions);
    }
  });

  test('is taught more: its demonstrations are more of its own robot', async () => {
    const tiny = await loadedHost();
    const { host } = tiny;
    const robot = await guessed(tiny);
    await host.training.start(optionsFor({ robot, maxSteps: 1 }), false, nothing);
    const { active } = await host.adapters.list();
    const { robot: again } = await open(tiny, arm());
    expect(again).toMatchObject({ choice: null, startFrom: active, differs: [] });
    const more = optionsFor({ run: 'more', startFrom: active, maxSteps: 1, statistics: 'policy' });
    await host.training.start(more, false, nothing);
    const { adapters } = await host.adapters.list();
    expect(adapters.at(-1)).toMatchObject({ label: 'more', robot: { actions: 6 } });
    // As another robot, the adapter's parameters have no place.
    const contradicting = { ...robot, profile: { ...robot.profile, chunkSize: 7 } };
    const { refusal } = await host.training.estimate(
      optionsFor({ run: 'no', startFrom: active, robot: contradicting }),
    );
    expect(refusal?.message).toContain('chunks of 7');
    expect(refusal?.hint).toContain('Start from the policy as it was loaded');
  });

  test('goes on training after the tab was closed', async () => {
    const device = newDevice();
    const first = await loadedHost(device);
    const robot = await guessed(first);
    const options = optionsFor({ robot, maxSteps: 4 });
    const stopped = first.host.training.start(options, false, (event) => {
      if (event.kind === 'step' && event.point.step === 2) void first.host.cancel('training');
    });
    expect((await stopped).phase).toBe('cancelled');
    const second = await loadedHost(device);
    const [run] = await second.host.training.runs();
    expect(run!.options.robot).toEqual(robot);
    await open(second, arm());
    await second.host.demonstrations.as(null, null);
    expect((await second.host.training.start(run!.options, true, nothing)).phase).toBe('done');
  });
});

describe('what cannot be taught says why, and what to do', () => {
  const cases: [string, Arm, (choice: RobotChoice) => RobotChoice, string, string][] = [
    ['no camera', { cameras: [] }, (choice) => choice, 'has no camera', 'record with one camera at least'],
    [
      'a chunk longer than every episode',
      { length: 12 },
      (choice) => ({ ...choice, profile: { ...choice.profile, chunkSize: 13 } }),
      'the longest of 12 steps',
      'Choose a shorter chunk',
    ],
    [
      'four cameras',
      { cameras: ['a', 'b', 'c', 'd'] },
      (choice) => ({
        ...choice,
        cameras: ['a', 'b', 'c', 'd'],
        profile: {
          ...choice.profile,
          images: ['a', 'b', 'c', 'd'].map((name) => ({ name, label: name })),
        },
      }),
      '4 cameras',
      'Choose the 3',
    ],
    [
      'a rate that was not recorded',
      { fps: 10 },
      (choice) => ({ ...choice, profile: { ...choice.profile, controlHz: 30 } }),
      '10 Hz',
      'cannot be made up',
    ],
  ];
  test.each(cases)('%s', async (_, data, change, found, hint) => {
    const tiny = await loadedHost();
    let info = await open(tiny, arm(data));
    if (info.robot.choice) info = await tiny.host.demonstrations.as(change(info.robot.choice), null);
    const problem = info.problems.find((one) => one.found.includes(found))!;
    expect(problem.hint).toContain(hint);
    const options = optionsFor({ robot: info.robot.choice });
    expect((await tiny.host.training.estimate(options)).refusal).not.toBeNull();
    expect(await codeOf(tiny.host.training.start(options, false, nothing))).toBe('bad-input');
  });

  test('a camera whose video is damaged, until it is left out', async () => {
    const tiny = await loadedHost();
    const recorded = arm();
    const broken = {
      ...recorded,
      episodes: recorded.episodes.map((episode) => ({
        ...episode,
        frames: {
          ...episode.frames,
          'observation.images.wrist': episode.frames['observation.images.wrist']!.map(
            () => new Blob(['no picture']),
          ),
        },
      })),
    };
    const { problems, robot } = await open(tiny, broken);
    expect(problems).toMatchObject([
      {
        id: 'codec observation.images.wrist',
        hint: expect.stringContaining('without this camera') as string,
      },
    ]);
    const choice = robot.choice!;
    const images = choice.profile.images.slice(0, 1);
    const one = { ...choice, cameras: choice.cameras.slice(0, 1), profile: { ...choice.profile, images } };
    expect((await tiny.host.demonstrations.as(one, null)).problems).toEqual([]);
  });

  const fine: [string, Arm, Partial<RobotChoice['profile']>][] = [
    ['four cameras are three at first', { cameras: ['a', 'b', 'c', 'd'] }, {}],
    ['one action dimension', { joints: ['slider'] }, {}],
    ['64 dimensions', { joints: Array.from({ length: 64 }, (_, i) => `joint ${i}`) }, { chunkSize: 16 }],
    ['120 Hz are thinned', { fps: 120 }, { controlHz: 30 }],
    ['no state', { state: false }, { state: null }],
  ];
  test.each(fine)('%s: can be taught', async (_, data, expected) => {
    const tiny = await loadedHost();
    const { robot, problems } = await open(tiny, arm(data));
    expect(problems).toEqual([]);
    expect(robot.choice!.profile).toMatchObject(expected);
    expect(robot.choice!.cameras.length).toBeLessThanOrEqual(3);
    const options = optionsFor({ robot: robot.choice, maxSteps: 1 });
    expect((await tiny.host.training.start(options, false, nothing)).phase).toBe('done');
  });
});
