/** GPU memory of a runtime: the arena that all programs share, and buffers of freed results that are used again. */
import { createStorageBuffer } from '../../kernels/gpu-run.ts';

/** Programs run one after another on the device's queue, so what one leaves in the arena the next may overwrite. */
export class Arena {
  readonly #device: GPUDevice;
  #pages: GPUBuffer[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get byteLength(): number {
    return this.#pages.reduce((sum, { size }) => sum + size, 0);
  }

  /** Pages of at least these sizes. A page that grows is another buffer; the old one goes when the GPU is done with it. */
  pages(sizes: readonly number[]): readonly GPUBuffer[] {
    sizes.forEach((size, i) => {
      const page = this.#pages[i];
      if (page && page.size >= size) return;
      page?.destroy();
      this.#pages[i] = createStorageBuffer(this.#device, size, `arena page ${i}`);
    });
    return this.#pages;
  }

  dispose(): void {
    for (const page of this.#pages) page.destroy();
    this.#pages = [];
  }
}

/** Bytes of freed buffers that are kept. */
const KEPT_BYTES = 64 * 2 ** 20;

/** Bytes from which a buffer that is kept makes room for another one, so that what is kept comes on top of no plan. */
const LARGE = 2 ** 16;

/** Results come and go in the same sizes, step after step. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();
  #keptBytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** A buffer whose contents are whatever they are. */
  take(byteLength: number, label: string): GPUBuffer {
    const size = Math.max(16, Math.ceil(byteLength / 16) * 16);
    const found = this.#free.get(size)?.pop();
    if (!found) {
      if (size >= LARGE) this.#makeRoom(size);
      return createStorageBuffer(this.#device, size, label);
    }
    this.#keptBytes -= size;
    return found;
  }

  give(buffer: GPUBuffer): void {
    if (this.#keptBytes + buffer.size > KEPT_BYTES) return buffer.destroy();
    this.#keptBytes += buffer.size;
    const known = this.#free.get(buffer.size);
    if (known) known.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }

  /** Destroys large buffers, the largest first, until as many bytes are free. */
  #makeRoom(wanted: number): void {
    let freed = 0;
    for (const size of [...this.#free.keys()].toSorted((a, b) => b - a)) {
      if (size < LARGE) return;
      const buffers = this.#free.get(size)!;
      while (freed < wanted && buffers.length > 0) {
        buffers.pop()!.destroy();
        freed += size;
        this.#keptBytes -= size;
      }
    }
  }

  dispose(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) buffer.destroy();
    this.#free.clear();
    this.#keptBytes = 0;
  }
}
