import { describe, expect, it } from 'vitest';
import { chooseBackend, type Host } from '../../src/model/runtime/backend.ts';

const limits = { maxBufferSize: 1e9, maxStorageBufferBindingSize: 1e9 };

function host(info: Partial<GPUAdapterInfo> | null, options: Partial<Host> = {}): Host {
  const adapter = info && { info: { vendor: '', architecture: '', description: '', ...info }, limits };
  const gpu = { requestAdapter: async () => adapter } as unknown as GPU;
  return { gpu, crossOriginIsolated: true, hardwareConcurrency: 4, ...options };
}

describe('chooseBackend', () => {
  it('takes a real GPU', async () => {
    const { choice, adapter } = await chooseBackend(host({ vendor: 'apple', architecture: 'metal-3' }));
    expect(choice).toMatchObject({ backend: 'webgpu', reason: 'Runs on the GPU (apple metal-3).' });
    expect(adapter).not.toBeNull();
  });

  it.each([
    ['a software adapter by flag', host({ isFallbackAdapter: true })],
    ['a software adapter by name', host({ vendor: 'google', architecture: 'swiftshader' })],
    ['no adapter', host(null)],
    ['no WebGPU', host(null, { gpu: undefined })],
  ])('takes threads of the CPU with %s', async (_, machine) => {
    expect((await chooseBackend(machine)).choice).toMatchObject({ backend: 'wasm', threads: 4 });
  });

  it('takes no adapter when the driver throws', async () => {
    const gpu = { requestAdapter: () => Promise.reject(new Error('driver')) } as unknown as GPU;
    expect((await chooseBackend(host(null, { gpu }))).choice.backend).toBe('wasm');
  });

  it('has one thread without cross-origin isolation, and at most eight', async () => {
    expect((await chooseBackend(host(null, { crossOriginIsolated: false }))).choice.threads).toBe(1);
    expect((await chooseBackend(host(null, { hardwareConcurrency: 64 }))).choice.threads).toBe(8);
  });

  it('does what it is asked for, or says why not', async () => {
    expect((await chooseBackend(host({ isFallbackAdapter: true }), 'webgpu')).choice.backend).toBe('webgpu');
    expect((await chooseBackend(host({ vendor: 'apple' }), 'wasm')).choice.backend).toBe('wasm');
    await expect(chooseBackend(host(null), 'webgpu')).rejects.toMatchObject({ code: 'no-webgpu' });
  });
});
