import react from '@vitejs/plugin-react';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { constants } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';
import { compression, defineAlgorithm } from 'vite-plugin-compression2';
import { CONTENT_SECURITY_POLICY_META } from './src/share/content-security-policy.ts';

// WASM threads need the page to be cross-origin isolated.
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** Part of the shipped policy's address, so that what a visitor has stored gives way to a newer one. */
const manifest = readFileSync(new URL('public/models/default/manifest.json', import.meta.url));
const policyVersion = createHash('sha256').update(manifest).digest('hex').slice(0, 8);

/** For hosts that send no headers of their own; `server/` sends more. Not while developing: Vite's client is inline. */
const securityPolicy: Plugin = {
  name: 'content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: CONTENT_SECURITY_POLICY_META },
      injectTo: 'head-prepend',
    },
  ],
};

export default defineConfig({
  define: { 'import.meta.env.POLICY_VERSION': JSON.stringify(policyVersion) },
  // One page, no client-side routes: what is not there is a 404, not the page again.
  appType: 'mpa',
  plugins: [
    react(),
    securityPolicy,
    // The best quality would take minutes over onnxruntime's files, for a fifth fewer bytes.
    compression({
      algorithms: [
        'gzip',
        defineAlgorithm('brotliCompress', { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
      ],
      include: /\.(js|css|html|wasm|mjs|json|svg)$/,
    }),
  ],
  server: { headers: isolation },
  worker: { format: 'es' },
  // onnxruntime-web finds its .wasm beside its own module, so it must not be moved by the pre-bundler.
  optimizeDeps: { exclude: ['onnxruntime-web', '@xenova/transformers'] },
  build: { target: 'es2023', sourcemap: true },
});
