// A chain of element-wise ops over broadcast or strided operands, and a strided copy where it is empty.
//
//   register 0 … 5 are the operands, register 6 + i is what instruction i makes:
//   r[6 + i] = OPi(r[Ai], r[Bi]) with scalar i; the last one is the result.
//
// One thread an element. All that depends on which ops they are is `override`, so a pipeline holds straight code;
// all that depends on shapes is uniform, so that prompts of other lengths need no other pipeline.
// workgroup_size 64, dispatch over a flat range (x, then y). Comes after erf.wgsl and apply.wgsl.

override INPUTS: u32 = 1; // operands that are read
override LENGTH: u32 = 0; // instructions; 0 copies operand 0
// How operand i is indexed: 0 as the result, 1 one number, 2 repeats after `period`, 3 each for `period`, 4 by strides.
override MODE0: u32 = 0;
override MODE1: u32 = 0;
override MODE2: u32 = 0;
override MODE3: u32 = 0;
override MODE4: u32 = 0;
override MODE5: u32 = 0;
override OUT_MODE: u32 = 0; // 0 or 4
override ADDS: u32 = 0; // 1: results are added to what is there
override OP0: u32 = 0; override A0: u32 = 0; override B0: u32 = 0;
override OP1: u32 = 0; override A1: u32 = 0; override B1: u32 = 0;
override OP2: u32 = 0; override A2: u32 = 0; override B2: u32 = 0;
override OP3: u32 = 0; override A3: u32 = 0; override B3: u32 = 0;
override OP4: u32 = 0; override A4: u32 = 0; override B4: u32 = 0;
override OP5: u32 = 0; override A5: u32 = 0; override B5: u32 = 0;
override OP6: u32 = 0; override A6: u32 = 0; override B6: u32 = 0;
override OP7: u32 = 0; override A7: u32 = 0; override B7: u32 = 0;
override OP8: u32 = 0; override A8: u32 = 0; override B8: u32 = 0;
override OP9: u32 = 0; override A9: u32 = 0; override B9: u32 = 0;
override OP10: u32 = 0; override A10: u32 = 0; override B10: u32 = 0;
override OP11: u32 = 0; override A11: u32 = 0; override B11: u32 = 0;
override OP12: u32 = 0; override A12: u32 = 0; override B12: u32 = 0;
override OP13: u32 = 0; override A13: u32 = 0; override B13: u32 = 0;
override OP14: u32 = 0; override A14: u32 = 0; override B14: u32 = 0;
override OP15: u32 = 0; override A15: u32 = 0; override B15: u32 = 0;

struct Params {
  count: u32,
  rank: u32,
  threads_a_row: u32, // of the dispatch
  out_start: u32,
  dims: array<vec4u, 2>, // innermost first
  starts: array<vec4u, 2>,
  periods: array<vec4u, 2>,
  out_strides: array<vec4u, 2>, // innermost first
  strides: array<vec4u, 12>, // two vectors an operand, innermost first
  scalars: array<vec4f, 4>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input0: array<f32>;
@group(0) @binding(2) var<storage, read> input1: array<f32>;
@group(0) @binding(3) var<storage, read> input2: array<f32>;
@group(0) @binding(4) var<storage, read> input3: array<f32>;
@group(0) @binding(5) var<storage, read> input4: array<f32>;
@group(0) @binding(6) var<storage, read> input5: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

fn operand_place(i: u32, mode: u32, operand: u32) -> u32 {
  let start = params.starts[operand / 4][operand % 4];
  switch mode {
    case 0: { return start + i; }
    case 1: { return start; }
    case 2: { return start + i % params.periods[operand / 4][operand % 4]; }
    case 3: { return start + i / params.periods[operand / 4][operand % 4]; }
    default: {
      var at = start;
      var rest = i;
      for (var axis = 0u; axis < params.rank; axis++) {
        let dim = params.dims[axis / 4][axis % 4];
        at += (rest % dim) * params.strides[2 * operand + axis / 4][axis % 4];
        rest /= dim;
      }
      return at;
    }
  }
}

fn target_place(i: u32) -> u32 {
  if (OUT_MODE == 0) {
    return params.out_start + i;
  }
  var at = params.out_start;
  var rest = i;
  for (var axis = 0u; axis < params.rank; axis++) {
    let dim = params.dims[axis / 4][axis % 4];
    at += (rest % dim) * params.out_strides[axis / 4][axis % 4];
    rest /= dim;
  }
  return at;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.y * params.threads_a_row + id.x;
  if (i >= params.count) {
    return;
  }
  var r: array<f32, 22>;
  r[0] = input0[operand_place(i, MODE0, 0)];
  if (INPUTS > 1) { r[1] = input1[operand_place(i, MODE1, 1)]; }
  if (INPUTS > 2) { r[2] = input2[operand_place(i, MODE2, 2)]; }
  if (INPUTS > 3) { r[3] = input3[operand_place(i, MODE3, 3)]; }
  if (INPUTS > 4) { r[4] = input4[operand_place(i, MODE4, 4)]; }
  if (INPUTS > 5) { r[5] = input5[operand_place(i, MODE5, 5)]; }
  var result = r[0];
  if (LENGTH > 0) { result = apply(OP0, r[A0], r[B0], params.scalars[0][0]); r[6] = result; }
  if (LENGTH > 1) { result = apply(OP1, r[A1], r[B1], params.scalars[0][1]); r[7] = result; }
  if (LENGTH > 2) { result = apply(OP2, r[A2], r[B2], params.scalars[0][2]); r[8] = result; }
  if (LENGTH > 3) { result = apply(OP3, r[A3], r[B3], params.scalars[0][3]); r[9] = result; }
  if (LENGTH > 4) { result = apply(OP4, r[A4], r[B4], params.scalars[1][0]); r[10] = result; }
  if (LENGTH > 5) { result = apply(OP5, r[A5], r[B5], params.scalars[1][1]); r[11] = result; }
  if (LENGTH > 6) { result = apply(OP6, r[A6], r[B6], params.scalars[1][2]); r[12] = result; }
  if (LENGTH > 7) { result = apply(OP7, r[A7], r[B7], params.scalars[1][3]); r[13] = result; }
  if (LENGTH > 8) { result = apply(OP8, r[A8], r[B8], params.scalars[2][0]); r[14] = result; }
  if (LENGTH > 9) { result = apply(OP9, r[A9], r[B9], params.scalars[2][1]); r[15] = result; }
  if (LENGTH > 10) { result = apply(OP10, r[A10], r[B10], params.scalars[2][2]); r[16] = result; }
  if (LENGTH > 11) { result = apply(OP11, r[A11], r[B11], params.scalars[2][3]); r[17] = result; }
  if (LENGTH > 12) { result = apply(OP12, r[A12], r[B12], params.scalars[3][0]); r[18] = result; }
  if (LENGTH > 13) { result = apply(OP13, r[A13], r[B13], params.scalars[3][1]); r[19] = result; }
  if (LENGTH > 14) { result = apply(OP14, r[A14], r[B14], params.scalars[3][2]); r[20] = result; }
  if (LENGTH > 15) { result = apply(OP15, r[A15], r[B15], params.scalars[3][3]); r[21] = result; }
  let place = target_place(i);
  if (ADDS == 1) {
    output[place] += result;
  } else {
    output[place] = result;
  }
}
