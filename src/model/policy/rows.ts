/** A flat array as rows of `width` numbers. */
export function rowsOf(flat: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: flat.length / width }, (_, row) =>
    Array.from({ length: width }, (__, i) => flat[row * width + i]!),
  );
}
