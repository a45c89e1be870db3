/** A reader for golden files only: it trusts them. The library's reader is src/model/weights. */
import { loadFixture } from './fixture.ts';

export interface GoldenTensor {
  shape: number[];
  f32: Float32Array;
  u8: Uint8Array;
  i64: BigInt64Array;
}

/**
 * Reads every tensor of a file; ask for the view that fits the tensor's dtype.
 *
 * @param path below the repository root.
 * @throws Error (when a name is asked for that the file lacks).
 */
export async function loadSafetensors(path: string): Promise<(name: string) => GoldenTensor> {
  const file = await loadFixture(path);
  const headerLength = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength))) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  return (name) => {
    const entry = header[name];
    if (!entry) throw new Error(`${path} has no ${name}; it has ${Object.keys(header).join(', ')}`);
    const start = 8 + headerLength;
    const bytes = file.slice(start + entry.data_offsets[0], start + entry.data_offsets[1]);
    return {
      shape: entry.shape,
      get f32() {
        return new Float32Array(bytes);
      },
      get u8() {
        return new Uint8Array(bytes);
      },
      get i64() {
        return new BigInt64Array(bytes);
      },
    };
  };
}

/** Names in a file, with their shapes' tensors as f32: what an upstream module's `state_dict` holds. */
export async function loadModule(
  path: string,
): Promise<Record<string, { shape: number[]; data: Float32Array }>> {
  const file = await loadFixture(path);
  const headerLength = Number(new DataView(file).getBigUint64(0, true));
  const names = Object.keys(
    JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength))) as object,
  );
  const read = await loadSafetensors(path);
  return Object.fromEntries(
    names
      .filter((name) => name !== '__metadata__')
      .map((name) => [name, { shape: read(name).shape, data: read(name).f32 }]),
  );
}
