// Operands of a product, read one number at a time. Comes after product-params.wgsl.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;

fn b_value(start: u32, k: u32, column: u32) -> f32 {
  if (BITS == 32) {
    return bitcast<f32>(b[start + k * params.b.y + column * params.b.z]);
  }
  let row = select(column, k, BY_ROW == 1);
  let inner = select(k, column, BY_ROW == 1);
  let block = row * params.blocks + inner / 32;
  if (BITS == 8) {
    let code = (b[block * 8 + (inner % 32) / 4] >> (8 * (inner % 4))) & 255;
    return (f32(code) - 128) * scale_of(block);
  }
  let code = (b[block * 4 + (inner % 32) / 8] >> (4 * (inner % 8))) & 15;
  return (f32(code) - 8) * scale_of(block);
}
