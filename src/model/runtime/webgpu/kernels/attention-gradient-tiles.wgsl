// Tiles of attention's gradient: 16 rows of one operand against 32 of another, by 64 threads. Thread (y, x) has rows 2y, 2y + 1 and, of
// the 32, 4x … 4x + 3; columns are walked 32 at a time. 10.5 KB of workgroup memory.
//
// All functions here are to be called by all threads together. Comes after attention-gradient-operands.wgsl.

override CHUNKS: u32 = 1; // ceil(D / 32), at most 4

const Q = 0u;
const K = 1u;
const V = 2u;
const DY = 3u;

// Rows of an operand: where row 0 starts, from one to the next, and how many there are.
struct Rows {
  operand: u32,
  start: u32,
  stride: u32,
  count: u32,
}

var<workgroup> few: array<f32, 512>; // [column][16]
var<workgroup> many: array<f32, 33 * 32>; // [column][33] or [row][33]
// [row][33]
var<workgroup> weights: array<f32, 16 * 33>;
var<workgroup> others: array<f32, 16 * 33>;

fn rows_of(operand: u32, batch: u32, head: u32) -> Rows {
  let shift = head * params.head_dim;
  let kv_shift = head / params.group * params.head_dim;
  switch operand {
    case 0: { return Rows(Q, params.q.x + batch * params.q.y + shift, params.q.z, params.length); }
    case 1: { return Rows(K, params.k.x + batch * params.k.y + kv_shift, params.k.z, params.total); }
    case 2: { return Rows(V, params.v.x + batch * params.v.y + kv_shift, params.v.z, params.total); }
    default: { return Rows(DY, params.dy.x + batch * params.dy.y + shift, params.dy.z, params.length); }
  }
}

// Zero past the last row or column.
fn element(rows: Rows, row: u32, column: u32) -> f32 {
  if (row >= rows.count || column >= params.head_dim) {
    return 0;
  }
  let at = rows.start + row * rows.stride + column;
  switch rows.operand {
    case 0: { return q[at]; }
    case 1: { return k[at]; }
    case 2: { return v[at]; }
    default: { return dy[at]; }
  }
}

// Products of rows first + 2y, first + 2y + 1 of `a` with rows start + 4x … of `b`.
fn products(a: Rows, first: u32, b: Rows, start: u32, index: u32) -> mat2x4f {
  let x = index % 8;
  let y = (index / 8) * 2;
  var s0 = vec4f();
  var s1 = vec4f();
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    workgroupBarrier();
    for (var i = index; i < 512; i += 64) {
      few[(i % 32) * 16 + i / 32] = element(a, first + i / 32, chunk * 32 + i % 32);
    }
    for (var i = index; i < 1024; i += 64) {
      many[(i % 32) * 33 + i / 32] = element(b, start + i / 32, chunk * 32 + i % 32);
    }
    workgroupBarrier();
    for (var c = 0u; c < 32; c++) {
      let at = c * 33 + x * 4;
      let four = vec4f(many[at], many[at + 1], many[at + 2], many[at + 3]);
      s0 += few[c * 16 + y] * four;
      s1 += few[c * 16 + y + 1] * four;
    }
  }
  return mat2x4f(s0, s1);
}

// Fills `many` with 32 rows of `b` from `start` on, of one chunk of columns: [row][33].
fn load_rows(b: Rows, start: u32, chunk: u32, index: u32) {
  workgroupBarrier();
  for (var i = index; i < 1024; i += 64) {
    many[(i / 32) * 33 + i % 32] = element(b, start + i / 32, chunk * 32 + i % 32);
  }
  workgroupBarrier();
}

fn four_of(row: u32, x: u32) -> vec4f {
  let at = row * 33 + x * 4;
  return vec4f(many[at], many[at + 1], many[at + 2], many[at + 3]);
}
