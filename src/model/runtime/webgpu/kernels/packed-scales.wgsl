// The scale of a block of a packed weight. `scales` holds either one f32 per block; or the NaN pattern INDEXED, the number of distinct
// scales, those scales, and a 16-bit index into them for each block (src/model/weights/few-scales.ts).

const INDEXED = 0xffc00001u;

fn scale_of(block: u32) -> f32 {
  if (scales[0] != INDEXED) {
    return bitcast<f32>(scales[block]);
  }
  let pair = scales[2 + scales[1] + block / 2];
  return bitcast<f32>(scales[2 + ((pair >> (16 * (block % 2))) & 0xffff)]);
}
