import { describe, expect, it } from 'vitest';
import { adapterFile, readAdapterFile } from '../../src/model/finetune/adapter-file.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { checkAdapterFile } from '../../src/share/adapter-file.ts';
import { CASES, openExportCase, stepFive } from '../../tools/interop/golden-state.ts';
import { fileWith } from '../weights/damaged-headers.ts';
import { refusalCode, refusedWith } from '../weights/refused.ts';

async function bytesOf(state: Parameters<typeof adapterFile>[0]): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: BlobPart[] = [];
  for await (const chunk of adapterFile(state).chunks()) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

describe('an adapter as one file', () => {
  it.each(CASES)('%s comes back to the bit, and the share server takes it', async (name) => {
    const opened = await openExportCase(name);
    const state = await stepFive(opened);
    const bytes = await bytesOf(state);
    await checkAdapterFile({
      size: bytes.byteLength,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
    });
    const read = await readAdapterFile(memoryReader(bytes), {
      config: opened.base.config,
      shapes: opened.shapes,
    });
    expect({ ...read, adapters: null, modules: null }).toEqual({ ...state, adapters: null, modules: null });
    expect(new Map(read.adapters)).toEqual(new Map(state.adapters));
    expect(new Map(read.modules)).toEqual(new Map(state.modules));
  });

  it('is refused by another policy, when it is damaged, and when it is none', async () => {
    const opened = await openExportCase('libero-l1');
    const other = await openExportCase('siglip-only-l1');
    const state = await stepFive(opened);
    const bytes = await bytesOf(state);
    const read = (file: Uint8Array<ArrayBuffer>, policy = opened) =>
      readAdapterFile(memoryReader(file), { config: policy.base.config, shapes: policy.shapes });
    expect(await refusalCode(() => read(bytes, other))).toBe('bad-shape');
    expect(await refusalCode(() => read(bytes.slice(0, bytes.length - 4)))).toBe('bad-file');
    expect(await refusalCode(() => read(new Uint8Array(100).fill(0x80)))).toBe('bad-file');
    const [first] = state.modules;
    const broken = new Map(state.modules).set(first![0], {
      shape: first![1].shape,
      data: first![1].data.map(() => Number.NaN),
    });
    const notFinite = await bytesOf({ ...state, modules: broken });
    expect(await refusalCode(() => read(notFinite))).toBe('bad-file');
    const lacking = new Map(state.modules);
    lacking.delete(first![0]);
    const withoutOne = await bytesOf({ ...state, modules: lacking });
    expect(await refusalCode(() => read(withoutOne))).toBe('bad-file');
    const ofNoRank = await bytesOf({ ...state, lora: null });
    expect(await refusedWith('bad-file', () => read(ofNoRank))).toContain('rank');
    const ofOtherRank = await bytesOf({ ...state, lora: { ...state.lora!, r: state.lora!.r + 1 } });
    expect(await refusedWith('bad-shape', () => read(ofOtherRank))).toContain('the policy needs');
  });

  it('is refused when its description has numbers that are not finite, a key twice, or no end', async () => {
    const opened = await openExportCase('libero-l1');
    const state = await stepFive(opened);
    const bytes = await bytesOf(state);
    const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength))) as {
      __metadata__: { about: string };
    };
    const read = (change: (about: string) => string) => {
      const changed = {
        ...header,
        __metadata__: { ...header.__metadata__, about: change(header.__metadata__.about) },
      };
      const file = new Uint8Array([...fileWith(changed), ...bytes.subarray(8 + headerLength)]);
      return readAdapterFile(memoryReader(file), { config: opened.base.config, shapes: opened.shapes });
    };
    await expect(read((about) => about)).resolves.toBeDefined();
    for (const number of ['1e999', '-1e999', 'NaN', 'null']) {
      const change = (about: string) => about.replace(/"q99":\[[^,\]]*/, `"q99":[${number}`);
      await refusedWith('bad-file', () => read(change));
    }
    await refusedWith('bad-file', () => read((about) => about.replace(/"alpha":[^,]*/, '"alpha":1e999')));
    expect(await refusedWith('bad-file', () => read((about) => about.replace('{', '{"step":1,')))).toContain(
      '"step" occurs twice',
    );
    expect(
      await refusedWith('bad-file', () =>
        read((about) => about.replace('{', `{"more":"${'a'.repeat(2 ** 20)}",`)),
      ),
    ).toContain('1048576 is the most');
  });
});
