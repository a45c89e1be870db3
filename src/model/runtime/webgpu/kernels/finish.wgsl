// What happens to an element of a product before it is stored: a chain of element-wise ops.
//
//   register 0 is the sum, 1 … 4 are operands, register 5 + i is what instruction i makes, as in chain.wgsl.
//
// Comes after erf.wgsl and apply.wgsl, before a kernel that has `params.finish`.

override E_INPUTS: u32 = 0;
override E_LENGTH: u32 = 0;
// How operand i is indexed: 0 as the result, 1 one number, 2 by column.
override E_MODE0: u32 = 0;
override E_MODE1: u32 = 0;
override E_MODE2: u32 = 0;
override E_MODE3: u32 = 0;
override E_OP0: u32 = 0; override E_A0: u32 = 0; override E_B0: u32 = 0;
override E_OP1: u32 = 0; override E_A1: u32 = 0; override E_B1: u32 = 0;
override E_OP2: u32 = 0; override E_A2: u32 = 0; override E_B2: u32 = 0;
override E_OP3: u32 = 0; override E_A3: u32 = 0; override E_B3: u32 = 0;
override E_OP4: u32 = 0; override E_A4: u32 = 0; override E_B4: u32 = 0;
override E_OP5: u32 = 0; override E_A5: u32 = 0; override E_B5: u32 = 0;
override E_OP6: u32 = 0; override E_A6: u32 = 0; override E_B6: u32 = 0;
override E_OP7: u32 = 0; override E_A7: u32 = 0; override E_B7: u32 = 0;

struct Finish {
  starts: vec4u,
  scalars: array<vec4f, 2>,
}

@group(0) @binding(4) var<storage, read> operand0: array<f32>;
@group(0) @binding(5) var<storage, read> operand1: array<f32>;
@group(0) @binding(6) var<storage, read> operand2: array<f32>;
@group(0) @binding(7) var<storage, read> operand3: array<f32>;

fn finish_place(mode: u32, start: u32, at: u32, column: u32) -> u32 {
  switch mode {
    case 0: { return start + at; }
    case 1: { return start; }
    default: { return start + column; }
  }
}

// `at` is the flat index of the result.
fn finish(sum: f32, at: u32, column: u32) -> f32 {
  var r: array<f32, 13>;
  r[0] = sum;
  var result = sum;
  if (E_INPUTS > 0) { r[1] = operand0[finish_place(E_MODE0, params.finish.starts[0], at, column)]; }
  if (E_INPUTS > 1) { r[2] = operand1[finish_place(E_MODE1, params.finish.starts[1], at, column)]; }
  if (E_INPUTS > 2) { r[3] = operand2[finish_place(E_MODE2, params.finish.starts[2], at, column)]; }
  if (E_INPUTS > 3) { r[4] = operand3[finish_place(E_MODE3, params.finish.starts[3], at, column)]; }
  if (E_LENGTH > 0) { result = apply(E_OP0, r[E_A0], r[E_B0], params.finish.scalars[0][0]); r[5] = result; }
  if (E_LENGTH > 1) { result = apply(E_OP1, r[E_A1], r[E_B1], params.finish.scalars[0][1]); r[6] = result; }
  if (E_LENGTH > 2) { result = apply(E_OP2, r[E_A2], r[E_B2], params.finish.scalars[0][2]); r[7] = result; }
  if (E_LENGTH > 3) { result = apply(E_OP3, r[E_A3], r[E_B3], params.finish.scalars[0][3]); r[8] = result; }
  if (E_LENGTH > 4) { result = apply(E_OP4, r[E_A4], r[E_B4], params.finish.scalars[1][0]); r[9] = result; }
  if (E_LENGTH > 5) { result = apply(E_OP5, r[E_A5], r[E_B5], params.finish.scalars[1][1]); r[10] = result; }
  if (E_LENGTH > 6) { result = apply(E_OP6, r[E_A6], r[E_B6], params.finish.scalars[1][2]); r[11] = result; }
  if (E_LENGTH > 7) { result = apply(E_OP7, r[E_A7], r[E_B7], params.finish.scalars[1][3]); r[12] = result; }
  return result;
}
