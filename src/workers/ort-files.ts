/** Where the bundler put onnxruntime-web's own files: its threads start from the .mjs, so both are plain assets. */
import asyncifyMjs from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url';
import asyncifyWasm from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import jspiMjs from 'onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?url';
import jspiWasm from 'onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url';
import wasmMjs from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url';
import wasmWasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import { hasJspi, type OrtFiles } from '../model/runtime/web.ts';

export function ortFiles(backend: 'wasm' | 'webgpu'): OrtFiles {
  if (backend === 'wasm') return { mjs: wasmMjs, wasm: wasmWasm };
  return hasJspi() ? { mjs: jspiMjs, wasm: jspiWasm } : { mjs: asyncifyMjs, wasm: asyncifyWasm };
}
