// The scale of a block of a packed weight. `scales` holds one f32 a block; or, after a mark that is no number, how many different ones
// there are, those, and which of them each block has, 16 bits each (src/model/weights/few-scales.ts).

const INDEXED = 0xffc00001u;

fn scale_of(block: u32) -> f32 {
  if (scales[0] != INDEXED) {
    return bitcast<f32>(scales[block]);
  }
  let pair = scales[2 + scales[1] + block / 2];
  return bitcast<f32>(scales[2 + ((pair >> (16 * (block % 2))) & 0xffff)]);
}
