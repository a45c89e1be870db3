/** An image as every image kernel takes it: rows of R, G, B, A bytes; alpha is ignored and written as 255. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** The same on the GPU: one u32 a pixel, red in the low byte. */
export interface GpuPixels {
  readonly width: number;
  readonly height: number;
  readonly buffer: GPUBuffer;
}

/** Workgroups of 8 x 8 threads, one thread a pixel. */
export function pixelGroups(width: number, height: number): [number, number] {
  return [Math.ceil(width / 8), Math.ceil(height / 8)];
}

/** A black, opaque image. */
export function blank(width: number, height: number): Pixels {
  const data = new Uint8ClampedArray(width * height * 4);
  new Uint32Array(data.buffer).fill(0xff000000);
  return { width, height, data };
}
