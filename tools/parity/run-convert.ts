/** Prismatic → Hugging Face key map: every name, shape and checksum of `expected.json`. */
import { openCheckpoint } from '../../src/model/weights/checkpoint.ts';
import { compare, type Row } from './compare.ts';
import { readJson, type CaseFiles } from './golden.ts';
import { EXACT } from './tolerances.ts';

interface Expected {
  output: Record<string, { shape: number[]; sha256: string }>;
}

export async function runConvert(files: CaseFiles): Promise<Row[]> {
  const { output } = await readJson<Expected>(files, 'expected.json');
  const { tensors } = await openCheckpoint(files);
  const names = [...tensors.entries.keys()];
  const missing = Object.keys(output).filter((name) => !tensors.entries.has(name));
  const unexpected = names.filter((name) => !(name in output));
  const rows = [compare('keys missing or unexpected', [missing.length + unexpected.length], [0], EXACT)];
  for (const [name, { shape, sha256 }] of Object.entries(output)) {
    const found = tensors.entries.get(name);
    if (!found) continue;
    rows.push(compare(`${name} shape`, found.shape, shape, EXACT));
    const values = await tensors.readFloat32(name);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    rows.push(compare(`${name} sha256`, [hex === sha256 ? 0 : 1], [0], EXACT));
  }
  return rows;
}
