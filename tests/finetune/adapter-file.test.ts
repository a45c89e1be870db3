import { describe, expect, it } from 'vitest';
import { adapterFile, readAdapterFile } from '../../src/model/finetune/adapter-file.ts';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { checkAdapterFile } from '../../src/share/adapter-file.ts';
import { CASES, openExportCase, stepFive } from '../../tools/interop/golden-state.ts';
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
});
