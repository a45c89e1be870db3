import type { Runtime } from './runtime.ts';
import { createOrtRuntime } from './ort-runtime.ts';

/** onnxruntime-node: tools, pretraining and fast tests. */
export async function createNodeRuntime(options: { threads?: number } = {}): Promise<Runtime> {
  const ort = await import('onnxruntime-node');
  return createOrtRuntime({
    backend: 'node',
    ort,
    device: null,
    executionProviders: ['cpu'],
    sessionOptions: options.threads ? { intraOpNumThreads: options.threads } : {},
  });
}
