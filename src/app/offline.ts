/** Keeps the page on this device, so that it opens without a network from the second visit on. Policies and recordings are kept elsewhere. */
import { create } from 'zustand';
import { registerServiceWorker } from './isolation.ts';

interface OfflineState {
  /** Every file that the page needs is on this device. */
  readonly kept: boolean;
}

export const useOfflineStore = create<OfflineState>()(() => ({ kept: false }));

/** The build of onnxruntime in use, by the beginning of its files' names. */
function runtimeOf(backend: 'wasm' | 'webgpu'): string {
  if (backend === 'wasm') return 'ort-wasm-simd-threaded-';
  return `ort-wasm-simd-threaded.${'Suspending' in WebAssembly ? 'jspi' : 'asyncify'}-`;
}

/** To be called once the page does what the visitor came for: most of it comes from the browser's cache then. */
export async function keepPage(backend: 'wasm' | 'webgpu'): Promise<void> {
  try {
    if (!(await registerServiceWorker())) return;
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', ({ data }: MessageEvent<{ missing: number }>) => {
      port1.close();
      useOfflineStore.setState({ kept: data.missing === 0 });
    });
    port1.start();
    active?.postMessage({ kind: 'keep', runtime: runtimeOf(backend) }, [port2]);
  } catch {
    // Private windows and strict settings refuse; then the page needs its network.
  }
}
