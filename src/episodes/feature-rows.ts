/** Several features side by side. */
export function joined(
  parts: readonly { width: number; rows: Float32Array }[],
  length: number,
): Float32Array {
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const out = new Float32Array(length * width);
  let column = 0;
  for (const part of parts) {
    for (let step = 0; step < length; step++) {
      const row = part.rows.subarray(step * part.width, (step + 1) * part.width);
      out.set(row, step * width + column);
    }
    column += part.width;
  }
  return out;
}
