import { FORMATS } from '../fuzz/formats.ts';
import { mutated, randomFrom } from '../fuzz/mutate.ts';
const { files } = mutated(FORMATS['hdf5-libero']!.load(), randomFrom(16 * 1_000_003 + 9897));
for (const [p, b] of files) { const buf = Buffer.from(b.buffer, b.byteOffset, b.byteLength); for (let at = buf.indexOf('GCOL'); at >= 0; at = buf.indexOf('GCOL', at + 1)) {
 const size = Number(buf.readBigUInt64LE(at + 8)); console.log(p, at, 'version', buf[at + 4], 'size', size, 'file', buf.length);
 let o = at + 16; for (let i = 0; i < 12 && o + 16 <= at + size && o + 16 <= buf.length; i++) { const idx = buf.readUInt16LE(o), sz = Number(buf.readBigUInt64LE(o + 8)); const need = idx > 0 ? 16 + Math.ceil(sz / 8) * 8 : sz; console.log(' obj', idx, 'refs', buf.readUInt16LE(o+2), 'size', sz, 'need', need); if (need <= 0) break; o += need; } } }
