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
