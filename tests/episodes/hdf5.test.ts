import { describe, expect, it } from 'vitest';
import { Hdf5File } from '../../src/episodes/hdf5-file.ts';
import { Hdf5Library } from '../../src/episodes/hdf5-wasm.ts';
import { openDataset } from '../../src/episodes/open-dataset.ts';
import { memoryFolder } from '../../src/io/blob-folder.ts';
import { byteReader, memoryReader } from '../../src/io/byte-reader.ts';
import { registerDecoders } from '../../tools/node/decoders.ts';
import { float32, storedFiles, storedFolder, truthOf } from './stored-fixture.ts';

await registerDecoders();

interface Variant {
  action: number[][];
  gripper: number[][];
  /** RGB of the last frame, base64. */
  last: string;
}

/** RGB → RGBA. */
function rgba(base64: string): number[] {
  const rgb = [...Buffer.from(base64, 'base64')];
  return rgb.flatMap((value, i) => (i % 3 === 2 ? [value, 255] : [value]));
}

describe('an HDF5 file of LIBERO', () => {
  it('is turned where it says that its pictures are upside down, and only there', async () => {
    const truth = (await truthOf<{ libero: Record<string, Variant> }>('hdf5-variants')).libero;
    const dataset = await openDataset(await storedFolder('hdf5-variants/libero'));
    expect(dataset.reading!.turned).toBe(180);
    const stored = await openDataset(await storedFolder('hdf5-variants/libero'), { turned: 0 });
    const [turned, asStored] = [await dataset.open(1), await stored.open(1)];
    const pixels = rgba(truth['10']!.last);
    expect([...(await asStored.frame('agentview_rgb', 1)).data]).toEqual(pixels);
    const rows = Array.from({ length: pixels.length / 4 }, (_, i) => pixels.slice(4 * i, 4 * i + 4));
    expect([...(await turned.frame('agentview_rgb', 1)).data]).toEqual(rows.toReversed().flat());
    expect((await openDataset(await storedFolder('hdf5-libero'))).reading!.turned).toBe(0);
  });

  it('has demonstrations by number, the rate of its settings, and the task of its name', async () => {
    const truth = (await truthOf<{ libero: Record<string, Variant> }>('hdf5-variants')).libero;
    const dataset = await openDataset(await storedFolder('hdf5-variants/libero'));
    expect(dataset.fps).toBe(10);
    expect(dataset.episodes).toEqual([
      { index: 0, length: 3, instruction: 'turn on the stove' },
      { index: 1, length: 2, instruction: 'turn on the stove' },
    ]);
    // Big-endian doubles, and halves.
    for (const [index, name] of ['2', '10'].entries()) {
      const { actions, state } = await dataset.open(index);
      expect([...actions]).toEqual(float32(truth[name]!.action));
      const grippers = [...state!].filter((_, i) => i % 8 > 5);
      expect(grippers).toEqual(float32(truth[name]!.gripper));
    }
  });

  it('gets the gripper of the standard form when asked', async () => {
    const plain = await openDataset(await storedFolder('hdf5-libero'));
    const standard = await openDataset(await storedFolder('hdf5-libero'), { standardise: true });
    expect([plain, standard].map(({ reading }) => reading!.standardisation!.applied)).toEqual([false, true]);
    const [before, after] = [(await plain.open(0)).actions, (await standard.open(0)).actions];
    before.forEach((value, i) => {
      const wanted = i % 7 === 6 ? Math.fround(1 - Math.min(1, Math.max(0, value))) : value;
      expect(after[i]).toBe(wanted);
    });
  });

  it('is read by another choice of features', async () => {
    const mapping = {
      action: 'joint_states',
      state: ['gripper_states', 'ee_pos'],
      cameras: ['eye_in_hand_rgb'],
    };
    const dataset = await openDataset(await storedFolder('hdf5-libero'), { mapping });
    expect(dataset.stateNames).toEqual(['left finger', 'right finger', 'x', 'y', 'z']);
    expect(dataset.cameras.map(({ name }) => name)).toEqual(['eye_in_hand_rgb']);
    await expect(
      openDataset(await storedFolder('hdf5-libero'), { mapping: { ...mapping, state: ['nothing'] } }),
    ).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('of robomimic has its own state', async () => {
    const dataset = await openDataset(await storedFolder('hdf5-variants', 'robomimic.hdf5'));
    expect(dataset.format).toContain('robomimic');
    expect(dataset.name).toBe('robomimic');
    expect(dataset.reading!.mapping.state).toEqual([
      'robot0_eef_pos',
      'robot0_eef_quat',
      'robot0_gripper_qpos',
    ]);
    expect([...(await dataset.open(0)).state!].slice(0, 9)).toEqual([0, 1, 2, 0, 1, 2, 3, 0, 1]);
  });
});

it('an HDF5 file of RoboCasa has a task for each episode', async () => {
  const dataset = await openDataset(await storedFolder('hdf5-variants', 'robocasa.hdf5'));
  expect(dataset.episodes.map(({ instruction }) => instruction)).toEqual([
    'close the fridge',
    'turn on the sink',
  ]);
});

describe('a folder of HDF5 files of ACT', () => {
  it('has its episodes by number, and cameras of padded JPEGs', async () => {
    const truth = (await truthOf<{ 'act-jpeg': Record<string, Variant> }>('hdf5-variants'))['act-jpeg'];
    const dataset = await openDataset(await storedFolder('hdf5-variants/act-jpeg'));
    expect(dataset.episodes.map(({ length }) => length)).toEqual([3, 2]);
    expect([...(await dataset.open(1)).actions]).toEqual(float32(truth['10']!.action));
    expect(dataset.cameras).toEqual([{ name: 'cam_high', width: 24, height: 16 }]);
    expect(dataset.actionNames.slice(6, 8)).toEqual(['left_gripper', 'right_waist']);
  });

  it('has pictures and tasks from lists of texts and of bytes', async () => {
    const truth = await truthOf<{ 'act-lists': Record<string, Variant> }>('hdf5-variants');
    const files = await storedFiles('hdf5-variants/act-lists');
    for (const [kind, task, only] of [
      ['text', 'fold the towel', 'episode_0.hdf5'],
      ['bytes', 'open the drawer', 'episode_1.hdf5'],
    ] as const) {
      const dataset = await openDataset(memoryFolder(kind, new Map([[only, files.get(only)!]])));
      expect(dataset.cameras).toEqual([{ name: 'cam_high', width: 24, height: 16 }]);
      expect(dataset.episodes).toEqual([{ index: 0, length: 3, instruction: task }]);
      const { data } = await (await dataset.open(0)).frame('cam_high', 2);
      expect([...data]).toEqual(rgba(truth['act-lists'][kind]!.last));
    }
  });

  it('is refused where a file is of another layout', async () => {
    const files = await storedFiles('hdf5-variants/act-jpeg');
    files.set('other_demo.hdf5', (await storedFiles('hdf5-libero')).get('pick_up_the_black_bowl_demo.hdf5')!);
    await expect(openDataset(memoryFolder('x', files))).rejects.toThrow('LIBERO layout');
  });
});

describe('an HDF5 file', () => {
  it.each([
    ['plugin_demo.hdf5', 'h5repack'],
    ['virtual_demo.hdf5', 'h5repack'],
  ])('is refused where values would be wrong: %s', async (file, hint) => {
    const dataset = await openDataset(await storedFolder('hdf5-variants', file));
    const error: unknown = await dataset.open(0).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unsupported', hint: expect.stringContaining(hint) });
  });

  it('is read by slices: a frame of a large file costs its own bytes', async () => {
    const bytes = (await storedFiles('hdf5-libero')).get('pick_up_the_black_bowl_demo.hdf5')!;
    // As if it were much longer: HDF5 does not mind what follows.
    const apparent = 2 ** 33;
    let read = 0;
    const file = byteReader('large.hdf5', apparent, async (start, end) => {
      read += end - start;
      const part = new Uint8Array(end - start);
      if (start < bytes.length) part.set(bytes.subarray(start, Math.min(end, bytes.length)));
      return part;
    });
    const opened = await Hdf5File.open(file);
    const actions = (await opened.dataset('/data/demo_1/actions'))!;
    expect((await opened.read(actions, 3, 5)).length).toBe(14);
    expect(read).toBeLessThan(2 ** 20);
    opened.close();
  });

  it('is refused where its heap has a size of which WebAssembly keeps nothing', async () => {
    const files = await storedFiles('hdf5-variants/libero');
    const [name, bytes] = [...files][0]!;
    const heap = Buffer.from(bytes.buffer).indexOf('GCOL');
    expect(heap).toBeGreaterThan(0);
    // Its header, then the first object: a free one of 2^48 bytes. HDF5 would go round for ever.
    const view = new DataView(bytes.buffer);
    view.setUint16(heap + 16, 0, true);
    view.setBigUint64(heap + 24, 2n ** 48n, true);
    await expect(openDataset(memoryFolder('damaged', new Map([[name, bytes]])))).rejects.toMatchObject({
      code: 'bad-file',
    });
  });

  it('does not wear the library out by thousands of failures', async () => {
    const { bindings } = await Hdf5Library.load();
    const library = await Hdf5Library.load();
    // Each throws through C++ frames, which would fill the stack of 2 MB.
    for (let i = 0; i < 20_000; i++) {
      const result = library.attempt(() => bindings.get_attribute_metadata(-1n, `/${'x'.repeat(300)}`, 'y'));
      expect('error' in result).toBe(true);
    }
    const bytes = (await storedFiles('hdf5-aloha')).get('episode_0.hdf5')!;
    const file = await Hdf5File.open(memoryReader(bytes, 'x'));
    expect(await file.names('/observations')).toContain('qpos');
    file.close();
    await expect(Hdf5File.open(memoryReader(new Uint8Array(5000), 'junk'))).rejects.toMatchObject({
      code: 'bad-file',
    });
  }, 60_000);
});

describe('a folder of another format', () => {
  it.each([
    ['data.zarr/.zgroup', 'Zarr'],
    ['a/zarr.json', 'Zarr'],
    ['run.mcap', 'MCAP'],
    ['x/run.bag', 'ROS bag'],
    ['x/metadata.yaml x/run_0.db3', 'ROS bag'],
    ['actions.npy', 'NumPy'],
    ['demo.pkl', 'pickle'],
    ['1.mp4', 'video files'],
    ['x.tfrecord-00000-of-00002', 'features.json'],
  ])('is named, with what converts it: %s', async (paths, word) => {
    const files = new Map(paths.split(' ').map((path) => [path, new Uint8Array([1])]));
    const error: unknown = await openDataset(memoryFolder('mine', files)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unsupported', message: expect.stringContaining(word) });
    expect((error as { hint: string }).hint.length).toBeGreaterThan(10);
  });
});
