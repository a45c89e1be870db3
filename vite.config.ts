import react from '@vitejs/plugin-react';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

// WASM threads need the page to be cross-origin isolated.
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** Part of the shipped policy's address, so that what a visitor has stored gives way to a newer one. */
const manifest = readFileSync(new URL('public/models/default/manifest.json', import.meta.url));
const policyVersion = createHash('sha256').update(manifest).digest('hex').slice(0, 8);

export default defineConfig({
  define: { 'import.meta.env.POLICY_VERSION': JSON.stringify(policyVersion) },
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
