import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// WASM threads need the page to be cross-origin isolated.
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  // One page, no client-side routes: what is not there is a 404, not the page again.
  appType: 'mpa',
  plugins: [react()],
  server: { headers: isolation },
  preview: { headers: isolation },
  worker: { format: 'es' },
  // onnxruntime-web finds its .wasm beside its own module, so it must not be moved by the pre-bundler.
  optimizeDeps: { exclude: ['onnxruntime-web', '@xenova/transformers'] },
  build: { target: 'es2023', sourcemap: true },
});
