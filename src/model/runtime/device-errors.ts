import { ModelError } from '../../base/errors.ts';

/**
 * WebGPU reports errors apart from the calls that made them, and goes on with buffers that hold nothing. The returned
 * function throws the first one that came since it was last called.
 */
export function watchDevice(device: GPUDevice | null): () => void {
  let found: GPUError | null = null;
  device?.addEventListener('uncapturederror', (event) => (found ??= event.error));
  return () => {
    const error = found;
    found = null;
    if (error) throw deviceError(error);
  };
}

function deviceError(error: GPUError): ModelError {
  const memory = 'GPUOutOfMemoryError' in globalThis && error instanceof GPUOutOfMemoryError;
  return memory
    ? new ModelError(
        'out-of-memory',
        `The GPU ran out of memory: ${error.message}`,
        'Close other tabs, or take a smaller batch or a smaller package.',
      )
    : new ModelError(
        'unsupported',
        `The GPU refused a command: ${error.message}`,
        'This is a fault of the page or the driver; run on the CPU instead.',
      );
}
