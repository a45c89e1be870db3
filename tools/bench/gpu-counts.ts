/** What is asked of a GPU: on a fast card a small policy takes as long as its calls, not as its arithmetic. */

export interface GpuCounts {
  dispatches: number;
  submissions: number;
  bindGroups: number;
  buffers: number;
  /** Pipelines that were compiled. */
  pipelines: number;
  /** Bytes that were written from the CPU, and mapped to be read there. */
  bytesWritten: number;
  bytesRead: number;
}

const NONE: GpuCounts = {
  dispatches: 0,
  submissions: 0,
  bindGroups: 0,
  buffers: 0,
  pipelines: 0,
  bytesWritten: 0,
  bytesRead: 0,
};

const counts: GpuCounts = { ...NONE };
let watched = false;

/** Counts from now on, on every device of this process or page. */
function watch(): void {
  if (watched) return;
  watched = true;
  after(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', () => (counts.dispatches += 1));
  after(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', () => (counts.dispatches += 1));
  after(GPUQueue.prototype, 'submit', () => (counts.submissions += 1));
  after(GPUDevice.prototype, 'createBindGroup', () => (counts.bindGroups += 1));
  after(GPUDevice.prototype, 'createComputePipeline', () => (counts.pipelines += 1));
  after(GPUDevice.prototype, 'createComputePipelineAsync', () => (counts.pipelines += 1));
  after(GPUDevice.prototype, 'createBuffer', (args) => {
    const { size, usage, mappedAtCreation } = args[0] as GPUBufferDescriptor;
    counts.buffers += 1;
    if (mappedAtCreation) counts.bytesWritten += size;
    if (usage & GPUBufferUsage.MAP_READ) counts.bytesRead += size;
  });
  after(GPUQueue.prototype, 'writeBuffer', ([, , data, start = 0, size]) => {
    const source = data as ArrayBufferView | ArrayBuffer;
    const unit = 'BYTES_PER_ELEMENT' in source ? (source.BYTES_PER_ELEMENT as number) : 1;
    const whole = source.byteLength / unit - (start as number);
    counts.bytesWritten += ((size as number | undefined) ?? whole) * unit;
  });
}

function after<T extends object>(
  prototype: T,
  name: keyof T & string,
  note: (args: unknown[]) => void,
): void {
  const original = prototype[name] as (...args: unknown[]) => unknown;
  const counted = function (this: unknown, ...args: unknown[]): unknown {
    note(args);
    return original.apply(this, args);
  };
  Object.defineProperty(prototype, name, { value: counted, configurable: true, writable: true });
}

/** What a task asks of the GPU. */
export async function countedOnGpu<T>(task: () => Promise<T>): Promise<{ result: T; counts: GpuCounts }> {
  watch();
  Object.assign(counts, NONE);
  const result = await task();
  return { result, counts: { ...counts } };
}

const kilobytes = (bytes: number): string => `${Math.ceil(bytes / 1000)} KB`;

export function inWords(of: GpuCounts): string {
  return (
    `${of.dispatches} dispatches in ${of.submissions} submissions, ${of.bindGroups} bind groups and ${of.buffers} buffers made, ` +
    `${of.pipelines} pipelines compiled, ${kilobytes(of.bytesWritten)} written, ${kilobytes(of.bytesRead)} read`
  );
}
