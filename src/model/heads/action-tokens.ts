/** Discrete actions: upstream's ActionTokenizer, uniform bins over −1…1 mapped to the last tokens of the vocabulary. */

function edges(bins: number): number[] {
  return Array.from({ length: bins }, (_, i) => -1 + (2 * i) / (bins - 1));
}

/** Token ids → normalised actions: the centre of the bin `vocabulary − id`, clipped to the bins there are. */
export function decodeActionTokens(ids: ArrayLike<number>, vocabulary: number, bins: number): number[] {
  const edge = edges(bins);
  const last = bins - 2;
  return Array.from(ids, (id) => {
    const bin = Math.min(last, Math.max(0, vocabulary - id - 1));
    return (edge[bin]! + edge[bin + 1]!) / 2;
  });
}

/** Normalised actions → token ids: `vocabulary − np.digitize(clip(a, −1, 1), edges)`. */
export function encodeActionTokens(actions: ArrayLike<number>, vocabulary: number, bins: number): number[] {
  const edge = edges(bins);
  return Array.from(actions, (a) => {
    const clipped = Math.min(1, Math.max(-1, a));
    return vocabulary - edge.filter((e) => e <= clipped).length;
  });
}

/** The likeliest token of each row of logits [rows · width]; of equal ones the first. */
export function argmaxRows(logits: Float32Array, width: number): number[] {
  return Array.from({ length: logits.length / width }, (_, row) => {
    let best = row * width;
    for (let i = best + 1; i < (row + 1) * width; i++) if (logits[i]! > logits[best]!) best = i;
    return best - row * width;
  });
}
