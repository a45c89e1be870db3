import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { expertAction } from '../../src/practice/expert.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { PracticeTable } from '../../src/practice/table.ts';
import { assignmentFor, taskNamed } from '../../src/practice/tasks.ts';
import type { WorkerError } from '../../src/workers/boundary/contract.ts';
import type { HandReport } from '../../src/workers/boundary/contract-practice.ts';
import { PracticeHost } from '../../src/workers/practice/practice-host.ts';
import { codeOf, nothing } from './tiny-host.ts';

const SIZE = { width: 640, height: 480, ratio: 1 };
const STILL = [0, 0, 0, 0, 0, 0, 1];
const RIGHT = [0, 1, 0, 0, 0, 0, 1];

const frame = () => ({
  width: IMAGE_SIZE,
  height: IMAGE_SIZE,
  data: new Uint8ClampedArray(4 * IMAGE_SIZE ** 2).fill(128),
});

/** The host with a display whose frames come when the test says so. */
async function openHost({ software = false, frameMs = 16 } = {}) {
  let draw!: (now: number) => void;
  let now = 100;
  const screen = {
    setPixelRatio: vi.fn<(ratio: number) => void>(),
    setSize: vi.fn<() => void>(),
    render: vi.fn<() => void>(),
  };
  const troubles: WorkerError[] = [];
  const host = new PracticeHost({
    loadMujoco,
    openScreen: async () => ({ screen, cameras: { observe: async () => [frame(), frame()] }, software }),
    everyFrame: (callback) => (draw = callback),
    everyTick: nothing,
    now: () => now,
  });
  const tasks = await host.open({} as OffscreenCanvas, SIZE, (error) => troubles.push(error));
  /** Goes on for so many frames of the display. */
  const frames = (count: number): void => {
    for (let i = 0; i < count; i++) draw((now += frameMs));
  };
  return { host, tasks, screen, troubles, frames };
}

/** Where the gripper is, metres. */
const gripper = async (host: PracticeHost) => (await host.observe()).state.slice(0, 3);

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('a table', () => {
  test('cannot be used before it is open', async () => {
    const host = new PracticeHost({
      loadMujoco,
      openScreen: () => Promise.reject(new Error('no WebGL')),
      everyFrame: nothing,
      everyTick: nothing,
      now: () => 0,
    });
    expect(await codeOf(host.observe())).toBe('bad-input');
    expect(await codeOf(host.reset('plate', 1))).toBe('bad-input');
    await host.setVisible(false);
    await expect(host.open({} as OffscreenCanvas, SIZE, nothing)).rejects.toThrow('no WebGL');
  });

  test('is looked at again only where something moved since', async () => {
    const { host, frames } = await openHost();
    await host.reset('lift', 3);
    // What was laid in the air comes to rest.
    frames(200);
    const first = await host.glance(-1);
    expect(first!.images).toHaveLength(2);
    expect(await host.glance(first!.revision)).toBeNull();
    await host.reset('lift', 4);
    const other = await host.glance(first!.revision);
    expect(other!.revision).toBeGreaterThan(first!.revision);
    await host.execute([RIGHT, RIGHT], false);
    expect(await host.glance(other!.revision)).not.toBeNull();
  });

  test('is brought back to the bit, whatever was laid and done since', async () => {
    const { host, frames } = await openHost();
    await host.reset('lift', 3);
    frames(50);
    await host.instruct('sing a song');
    await host.execute([RIGHT, RIGHT], false);
    const before = await host.scene();
    const goOn = async () => {
      await host.execute([RIGHT, RIGHT, RIGHT], false);
      return (await host.scene()).snapshot;
    };
    const after = await goOn();
    await host.reset('bowl', 9, true, 'so101');
    frames(20);
    const report = await host.bringBack(structuredClone(before));
    expect(report).toMatchObject({ task: 'lift', seed: 3, robot: 'gripper', instruction: 'sing a song' });
    expect(await host.scene()).toEqual(before);
    expect(await goOn()).toEqual(after);
  });

  test('is laid for a task, alike for the same seed, with an instruction that can be judged', async () => {
    const { host, tasks } = await openHost();
    expect(tasks.map(({ name }) => name)).toContain('plate');
    const first = await host.reset('lift', 3);
    expect(first).toMatchObject({ task: 'lift', seed: 3 });
    expect(first.suggestions.length).toBeGreaterThan(2);
    expect(first.objects.some((name) => first.instruction.endsWith(name))).toBe(true);
    const place = await host.draggable();
    expect(place!.x).toBeGreaterThan(0.2 * SIZE.width);
    expect(place!.x).toBeLessThan(0.8 * SIZE.width);
    expect(place!.y).toBeGreaterThan(0.2 * SIZE.height);
    expect(place!.y).toBeLessThan(SIZE.height);
    expect(await host.reset('lift', 3)).toEqual(first);
    expect(await host.instruct('sing a song')).toBe(false);
    expect(await host.instruct(first.instruction)).toBe(true);
    expect((await host.observe()).images).toHaveLength(2);
    expect(await host.rehearsal({ task: 'can' })).not.toEqual([]);
    expect(await host.rehearsal({ instructions: ['sing a song'] })).toBeInstanceOf(Array);
  });

  test('has an SO-101 at it where that is asked for, with its own tasks, pictures and demonstrations', async () => {
    const { host } = await openHost();
    const report = await host.reset('lift', 3, false, 'so101');
    expect(report).toMatchObject({ robot: 'so101', profile: { name: 'SO-101', controlHz: 30 } });
    expect(report.tasks.map(({ name, heldOut }) => [name, heldOut])).toEqual([
      ['reach', true],
      ['lift', true],
      ['bowl', true],
    ]);
    const { state } = await host.observe();
    expect(state).toHaveLength(6);
    expect(await host.execute([state, state], false)).toMatchObject({ steps: 2 });
    const order = { task: 'reach', robot: 'so101', episodes: 1, seed: 5, tables: [] } as const;
    const { episodes, actionNames, fps, profile } = await host.demonstrate(order, nothing);
    expect([actionNames[0], fps, episodes[0]!.actions.length % 6]).toEqual(['shoulder_pan.pos', 30, 0]);
    expect(profile).toMatchObject({
      name: 'SO-101',
      chunkSize: 16,
      actions: [{ unit: 'deg' }, {}, {}, {}, {}, {}],
    });
    // It is the order that says who shows it, not who happens to stand there; and the scene keeps it.
    expect(episodes[0]!.scene).toMatchObject({ task: 'reach', robot: 'so101' });
    const own = await host.demonstrate({ ...order, robot: 'gripper' }, nothing);
    expect([own.actionNames.length, own.fps, own.episodes[0]!.scene!.robot]).toEqual([7, 10, 'gripper']);
    // It stays until another one is asked for.
    expect((await host.reset('reach', 4)).robot).toBe('so101');
    expect(await codeOf(host.reset('push', 4))).toBe('bad-input');
    expect((await host.reset('push', 4, true, 'gripper')).tasks.length).toBeGreaterThan(5);
  });

  test('that cannot be laid leaves the one before as it was, and says so', async () => {
    const { host } = await openHost();
    const { instruction } = await host.reset('lift', 3);
    const before = await gripper(host);
    await expect(host.reset('no such task', 1)).rejects.toThrow('no such task');
    expect(await gripper(host)).toEqual(before);
    expect(await host.instruct(instruction)).toBe(true);
  });
});

describe('actions', () => {
  test('are carried out at once in trials, within the speed limit', async () => {
    const { host } = await openHost();
    await host.reset('lift', 3, false);
    const [, from] = await gripper(host);
    expect(await host.execute([RIGHT, RIGHT, RIGHT, RIGHT], false)).toEqual({ achieved: false, steps: 4 });
    const [, to] = await gripper(host);
    await host.reset('lift', 3, false);
    await host.limitSpeed(0.5);
    await host.execute([RIGHT, RIGHT, RIGHT, RIGHT], false);
    const [, slow] = await gripper(host);
    expect(slow! - from!).toBeGreaterThan(0);
    expect(slow! - from!).toBeLessThan(0.7 * (to! - from!));
    expect(await host.execute([], false)).toEqual({ achieved: false, steps: 0 });
  });

  test('of the expert reach the goal, which ends them', async () => {
    const { host } = await openHost();
    await host.reset('lift', 3, false);
    const { goal, layout } = assignmentFor(taskNamed('lift'), 3);
    // The same world beside the host's: what the expert does there holds here.
    const twin = new PracticeTable(await loadMujoco(), layout);
    const actions = Array.from({ length: 150 }, () => {
      const action = expertAction(twin, goal);
      twin.step(action);
      return action;
    });
    twin.dispose();
    const report = await host.execute(actions, false);
    expect(report.achieved).toBe(true);
    expect(report.steps).toBeLessThan(150);
  });

  test('in real time take frames of the display, and end when they are halted', async () => {
    const { host, frames } = await openHost();
    await host.reset('lift', 3);
    const running = host.execute([RIGHT, RIGHT], true);
    frames(30);
    expect(await running).toEqual({ achieved: false, steps: 2 });
    const long = host.execute(
      Array.from({ length: 50 }, () => RIGHT),
      true,
    );
    frames(10);
    await host.halt();
    const { steps } = await long;
    expect(steps).toBeGreaterThan(0);
    expect(steps).toBeLessThan(4);
    // A new chunk takes the place of the one that is carried out.
    const replaced = host.execute([RIGHT, RIGHT], true);
    const next = host.execute([STILL], true);
    expect((await replaced).steps).toBe(0);
    frames(20);
    expect((await next).steps).toBe(1);
  });
});

describe('physics that become unstable', () => {
  const explode = () =>
    vi.spyOn(PracticeTable.prototype, 'advance').mockImplementation(() => {
      throw Object.assign(diverged);
    });
  let diverged: Error;
  beforeEach(async () => {
    const { ModelError } = await import('../../src/base/errors.ts');
    diverged = new ModelError('diverged', 'The physics became unstable.', 'Reset the table.');
  });

  test('end what was carried out, are told, and leave the worker alive until the table is laid anew', async () => {
    const { host, frames, troubles, screen } = await openHost();
    await host.reset('lift', 3);
    const running = codeOf(host.execute([RIGHT, RIGHT], true));
    explode();
    frames(3);
    expect(await running).toBe('diverged');
    expect(troubles).toMatchObject([{ code: 'diverged', hint: 'Reset the table.' }]);
    expect(await codeOf(host.observe())).toBe('diverged');
    expect(await codeOf(host.execute([RIGHT], false))).toBe('diverged');
    expect(await codeOf(host.takeOver(nothing))).toBe('diverged');
    frames(5);
    expect(troubles).toHaveLength(1);
    vi.restoreAllMocks();
    await host.reset('lift', 3);
    screen.render.mockClear();
    frames(2);
    expect(screen.render).toHaveBeenCalled();
    expect(await host.execute([RIGHT], false)).toMatchObject({ steps: 1 });
  });

  test('in a trial are the answer of the call', async () => {
    const { host, troubles } = await openHost();
    await host.reset('lift', 3, false);
    explode();
    expect(await codeOf(host.execute([RIGHT], false))).toBe('diverged');
    expect(await codeOf(host.execute([RIGHT], false))).toBe('diverged');
    expect(troubles).toEqual([]);
  });

  test('do not take what was recorded with them', async () => {
    stubImages();
    const { host, frames } = await openHost();
    await host.reset('lift', 3);
    await host.takeOver(nothing);
    await host.steer(RIGHT);
    frames(20);
    explode();
    frames(2);
    expect((await host.handBack(true))?.episodes).toHaveLength(1);
  });

  test('anything else that fails without being waited for is told, too', async () => {
    const { host, frames, troubles } = await openHost();
    await host.reset('lift', 3);
    vi.spyOn(PracticeTable.prototype, 'advance').mockImplementationOnce(() => {
      throw new TypeError('not a ModelError');
    });
    frames(3);
    expect(troubles).toMatchObject([
      { code: 'diverged', message: expect.stringContaining('not a ModelError') },
    ]);
  });
});

/** What a recording is kept as, where there is no canvas. */
function stubImages(): void {
  vi.stubGlobal('ImageData', Object);
  vi.stubGlobal(
    'OffscreenCanvas',
    class {
      getContext = () => ({ putImageData: nothing });
      convertToBlob = () => Promise.resolve(new Blob(['png']));
    },
  );
}

describe('a hand', () => {
  test('steers the gripper, and what it did becomes an episode', async () => {
    stubImages();
    const { host, frames } = await openHost();
    const { instruction } = await host.reset('lift', 3);
    const reports: HandReport[] = [];
    await host.takeOver((report) => reports.push(report));
    frames(10);
    expect(reports).toEqual([]);
    await host.steer(RIGHT);
    frames(40);
    expect(reports.at(-1)).toMatchObject({ achieved: false, done: false });
    const recorded = await host.handBack(true);
    expect(recorded).toMatchObject({
      fps: 10,
      episodes: [{ instruction, scene: { task: 'lift', seed: 3, robot: 'gripper' } }],
    });
    expect(recorded!.episodes[0]!.actions.length).toBe(7 * reports.at(-1)!.steps);
    expect(await host.handBack(true)).toBeNull();
    await host.takeOver(nothing);
    expect(await host.handBack(true)).toBeNull();
    await host.steer(RIGHT);
  });

  test('drags an object, the gripper, or the view', async () => {
    const { host, frames, screen } = await openHost();
    await host.reset('lift', 3);
    frames(30);
    const kinds = new Set<string>();
    // Somewhere in the picture there is an object; where there is none, the view turns.
    for (let y = 100; y < 480; y += 20) {
      for (let x = 100; x < 640; x += 20) {
        kinds.add(await host.pointer('down', x, y));
        await host.pointer('move', x + 5, y);
        await host.pointer('up', x + 5, y);
      }
    }
    expect([...kinds].toSorted()).toEqual(['object', 'view']);
    await host.takeOver(nothing);
    await host.pointer('down', 320, 240);
    await host.pointer('up', 320, 240);
    screen.render.mockClear();
    await host.orbit(0.3, 0.1, 1);
    frames(1);
    expect(screen.render).toHaveBeenCalledOnce();
  });

  test('knocks something over, and lets go again', async () => {
    vi.useFakeTimers();
    const { host, frames } = await openHost();
    await host.reset('lift', 3);
    const hold = vi.spyOn(PracticeTable.prototype, 'hold');
    await host.disturb();
    frames(5);
    await vi.advanceTimersByTimeAsync(400);
    expect(hold.mock.calls.map(([, point]) => point === null)).toEqual([false, true]);
    hold.mockClear();
    await host.disturb();
    await host.reset('lift', 4);
    await vi.advanceTimersByTimeAsync(400);
    expect(hold).toHaveBeenCalledOnce();
  });

  test('the expert shows a task', async () => {
    const { host } = await openHost();
    const progress = vi.fn<(done: number) => void>();
    const order = { task: 'lift', robot: 'gripper', episodes: 1, seed: 5, tables: [] } as const;
    const recorded = await host.demonstrate(order, progress);
    expect(recorded.episodes).toHaveLength(1);
    expect(progress).toHaveBeenCalled();
  });
});

describe('the picture', () => {
  test('is drawn when something moves, and not while it is hidden or at rest', async () => {
    const { host, frames, screen } = await openHost();
    await host.reset('lift', 3, false);
    frames(40);
    screen.render.mockClear();
    frames(40);
    expect(screen.render).not.toHaveBeenCalled();
    await host.showPath([RIGHT, RIGHT]);
    frames(1);
    expect(screen.render).toHaveBeenCalledOnce();
    await host.showPath(null);
    await host.setVisible(false);
    screen.render.mockClear();
    frames(5);
    expect(screen.render).not.toHaveBeenCalled();
    await host.setVisible(true);
    frames(1);
    expect(screen.render).toHaveBeenCalledOnce();
    await host.resize({ width: 320, height: 240, ratio: 2 });
    expect(screen.setSize).toHaveBeenLastCalledWith(320, 240, false);
  });

  test('gets coarser and rarer where frames take long, and fine again at rest', async () => {
    const { host, frames, screen } = await openHost({ software: true, frameMs: 60 });
    await host.reset('lift', 3);
    const running = host.execute(
      Array.from({ length: 60 }, () => RIGHT),
      true,
    );
    screen.setPixelRatio.mockClear();
    frames(120);
    await host.halt();
    await running;
    const ratios = screen.setPixelRatio.mock.calls.map(([ratio]) => ratio);
    expect(Math.min(...ratios)).toBeLessThan(0.7);
    expect(ratios.at(-1)).toBe(1);
  });
});
