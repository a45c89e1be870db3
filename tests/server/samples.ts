import { Random } from '../../src/base/random.ts';
import { safetensorsHeader } from '../../src/model/weights/safetensors.ts';
import type { ShareManifest } from '../../src/share/share-manifest.ts';
import { sha256Of } from './start-server.ts';

export interface SampleAdapter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** A safetensors file of two tensors with random bytes, a function of the seed. */
export function sampleAdapter(seed: number, rows = 64): SampleAdapter {
  const header = safetensorsHeader([
    { name: 'base_model.model.q_proj.lora_A.weight', dtype: 'F32', shape: [rows, 16] },
    { name: 'base_model.model.q_proj.lora_B.weight', dtype: 'BF16', shape: [16, rows] },
  ]);
  const data = new Uint32Array(rows * 24);
  const random = new Random(seed);
  for (let at = 0; at < data.length; at++) data[at] = random.integer(2 ** 31);
  const bytes = new Uint8Array(header.length + data.byteLength);
  bytes.set(header);
  bytes.set(new Uint8Array(data.buffer), header.length);
  return { bytes, sha256: sha256Of(bytes) };
}

/** A manifest that shares `adapter` from the server it is on. */
export function sampleManifest(adapter: SampleAdapter | null, title = 'Lift the can'): ShareManifest {
  return {
    formatVersion: 1,
    title,
    author: 'Ada',
    note: 'Twenty demonstrations.\nTen by hand.',
    createdAt: '2026-01-02T03:04:05.678Z',
    policy: { name: 'practice', sha256: 'a'.repeat(64), url: null },
    adapter: adapter && { sha256: adapter.sha256, bytes: adapter.bytes.length, url: null },
    scene: { view: 'table', task: 'can', seed: 7, instruction: 'lift the can', execute: 4, ensemble: false },
    training: {
      demonstrations: { name: 'can', episodes: 20, steps: 800 },
      steps: 300,
      batchSize: 8,
      learningRate: 5e-4,
      lora: { r: 16, alpha: 16, dropout: 0, targets: 'all-linear' },
      seed: 1,
      statistics: 'practice',
    },
    success: [
      { task: 'can', heldOut: false, episodes: 25, before: 0, after: 21 },
      { task: 'lift', heldOut: true, episodes: 25, before: 24, after: null },
    ],
  };
}
