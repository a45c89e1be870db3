/** The two 16-bit float formats, to and from float32. */

const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/** bfloat16 bits → float32: the upper half of its bits. */
export function fromBfloat16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i]! << 16;
  return new Float32Array(out.buffer);
}

/** float32 → bfloat16 bits, rounded to nearest even; NaN stays NaN. */
export function toBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    scratchFloat[0] = values[i]!;
    const bits = scratchBits[0]!;
    out[i] = Number.isNaN(values[i]!) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** IEEE half bits → float32, subnormals, infinities and NaN included. */
export function fromFloat16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    const sign = (half & 0x8000) << 16;
    const exponent = half & 0x7c00;
    const fraction = half & 0x3ff;
    if (exponent === 0x7c00) out[i] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent !== 0) out[i] = sign | ((exponent + EXPONENT_SHIFT) << 13) | (fraction << 13);
    else {
      scratchFloat[0] = fraction * 2 ** -24;
      out[i] = sign | scratchBits[0]!;
    }
  }
  return new Float32Array(out.buffer);
}

/** Difference of the exponents' biases, 127 − 15, where a half keeps its exponent. */
const EXPONENT_SHIFT = 112 << 10;
const FLOAT16_MAX_BITS = 0x477fe000;
const FLOAT16_MIN_NORMAL_BITS = 0x38800000;

/**
 * float32 → IEEE half bits, rounded to nearest even. Finite values beyond ±65504 are clamped there: an infinity in
 * a weight would turn every prediction into NaN, a clamped one is off by its excess only.
 */
export function toFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const sign = (bits[i]! >>> 16) & 0x8000;
    const size = bits[i]! & 0x7fffffff;
    if (size > 0x7f800000) out[i] = 0x7e00;
    else if (size === 0x7f800000) out[i] = sign | 0x7c00;
    else if (size >= FLOAT16_MAX_BITS) out[i] = sign | 0x7bff;
    else if (size < FLOAT16_MIN_NORMAL_BITS) out[i] = sign | roundEven(Math.abs(values[i]!) * 2 ** 24);
    // Half a unit of the last kept bit, less one where that bit is even; a carry goes into the exponent, as the bits are laid out for.
    else out[i] = sign | (((size + 0xfff + ((size >>> 13) & 1)) >>> 13) - EXPONENT_SHIFT);
  }
  return out;
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
