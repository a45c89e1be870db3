/**
 * What the page may load and run. The server sends it as a header; static hosts get it as a `<meta>` tag, in which
 * `frame-ancestors` has no effect and is left out.
 */
const DIRECTIVES = [
  "default-src 'none'",
  // onnxruntime and MuJoCo compile WebAssembly.
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob: mediastream:",
  "font-src 'self'",
  // Policies, datasets and adapters may lie on any host.
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:* blob: data:",
  "base-uri 'none'",
  "form-action 'none'",
  "object-src 'none'",
];

/** For `<meta http-equiv="Content-Security-Policy">`. */
export const CONTENT_SECURITY_POLICY_META = DIRECTIVES.join('; ');

/** For the header of the same name. */
export const CONTENT_SECURITY_POLICY = [...DIRECTIVES, "frame-ancestors 'none'"].join('; ');

/**
 * For the script of the practice worker, which is bound by the policy it comes with, not by the page's. MuJoCo's bindings (3.14; emscripten's embind)
 * make functions of text; only there may that be done. To be dropped when they are built with `-sDYNAMIC_EXECUTION=0`.
 */
export const PRACTICE_WORKER_SECURITY_POLICY = CONTENT_SECURITY_POLICY.replace(
  "'wasm-unsafe-eval'",
  "'wasm-unsafe-eval' 'unsafe-eval'",
);
