import react from '@vitejs/plugin-react';
import { constants } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';
import { compression, defineAlgorithm } from 'vite-plugin-compression2';
import { PAGE_HEADERS } from './server/page-headers.ts';
import {
  CONTENT_SECURITY_POLICY_META,
  PRACTICE_WORKER_SECURITY_POLICY,
} from './src/share/content-security-policy.ts';
import { defaultPolicy, packagedPolicy } from './tools/build/default-policy.ts';
import { serviceWorker } from './tools/build/service-worker.ts';

// WASM threads need the page to be cross-origin isolated.
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

// Set by tools/build/main.ts.
const { POLICY_PACKAGE, PAGE_TITLE, BROTLI_QUALITY = '5' } = process.env;
const policy = defaultPolicy(POLICY_PACKAGE);
const title = PAGE_TITLE ?? (POLICY_PACKAGE === undefined ? 'OpenVLA Web' : policy.name);

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

/** For Cloudflare Pages and Netlify, which send the headers that this file names. */
const headersFile: Plugin = {
  name: 'headers-file',
  apply: 'build',
  generateBundle() {
    const lines = Object.entries(PAGE_HEADERS).map(([name, value]) => `  ${name}: ${value}\n`);
    const practice = `/assets/practice-worker-*\n  ! Content-Security-Policy\n  Content-Security-Policy: ${PRACTICE_WORKER_SECURITY_POLICY}\n`;
    const assets = '/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n';
    this.emitFile({
      type: 'asset',
      fileName: '_headers',
      source: `/*\n${lines.join('')}${assets}${practice}`,
    });
  },
};

const pageTitle: Plugin = {
  name: 'page-title',
  transformIndexHtml: (html) =>
    html.replace(/<title>[^<]*/, () => `<title>${title.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}`),
};

export default defineConfig({
  // Relative: one build works at the root of a host and in any folder of it.
  base: './',
  define: {
    'import.meta.env.POLICY_VERSION': JSON.stringify(policy.version),
    'import.meta.env.PAGE_TITLE': JSON.stringify(title),
  },
  // One page, no client-side routes: what is not there is a 404, not the page again.
  appType: 'mpa',
  plugins: [
    react(),
    securityPolicy,
    pageTitle,
    headersFile,
    // The best quality, 11, takes minutes over onnxruntime's files, for a sixth fewer bytes.
    compression({
      algorithms: [
        'gzip',
        defineAlgorithm('brotliCompress', {
          params: { [constants.BROTLI_PARAM_QUALITY]: Number(BROTLI_QUALITY) },
        }),
      ],
      include: /\.(js|css|html|wasm|mjs|json|svg)$/,
    }),
    packagedPolicy(policy),
    serviceWorker(),
  ],
  server: { headers: isolation },
  worker: { format: 'es' },
  // onnxruntime-web finds its .wasm beside its own module, so it must not be moved by the pre-bundler.
  optimizeDeps: { exclude: ['onnxruntime-web', '@xenova/transformers'] },
  build: { target: 'es2023', sourcemap: true },
});
