// softmax(scale · q·kᵀ + bias) · v for one head and ROWS queries a workgroup, without a matrix of scores in memory
// (FlashAttention: running maximum and sum).
//
// 64 threads: for scores thread (y, x) has queries 2y, 2y + 1 and keys 4x … 4x + 3; for results queries 2y, 2y + 1 and, of each 32
// columns, 4x … 4x + 3. Keys are walked 32 at a time, columns 32 at a time.
// workgroup_size 64, dispatch (ceil(length / 16), heads, batch). Comes after attention-operands.wgsl.

override CHUNKS: u32 = 1; // ceil(D / 32), at most 4: 14.5 KB of workgroup memory

const ROWS = 16u;
const KEYS = 32u;

var<workgroup> q_tile: array<f32, CHUNKS * 512>; // [column][ROWS]
var<workgroup> kv_tile: array<f32, 33 * 32>; // keys: [column][33], values: [key][33]
var<workgroup> scores: array<f32, 16 * 33>;
var<workgroup> tops: array<f32, 16>;
var<workgroup> sums: array<f32, 16>;
var<workgroup> factors: array<f32, 16>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let first = group.x * ROWS;
  let head = group.y;
  let kv_head = head / params.group;
  let dim = params.head_dim;
  let q_start = params.q.x + group.z * params.q.y + head * dim;
  let k_start = params.k.x + group.z * params.k.y + kv_head * dim;
  let v_start = params.v.x + group.z * params.v.y + kv_head * dim;
  let bias_start = params.bias.x + group.z * params.bias.y + head * params.bias.z;
  let x = index % 8;
  let row = (index / 8) * 2;

  for (var i = index; i < CHUNKS * 512; i += 64) {
    let r = i / (CHUNKS * 32);
    let column = i % (CHUNKS * 32);
    var value = 0f;
    if (first + r < params.length && column < dim) {
      value = q[q_start + (first + r) * params.q.z + column] * params.scale;
    }
    q_tile[column * ROWS + r] = value;
  }
  if (index < ROWS) {
    tops[index] = LOWEST;
    sums[index] = 0;
  }
  var out0: array<vec4f, 4>;
  var out1: array<vec4f, 4>;

  for (var start = 0u; start < params.total; start += KEYS) {
    var s0 = vec4f();
    var s1 = vec4f();
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      workgroupBarrier();
      for (var i = index; i < 1024; i += 64) {
        let key = i / 32;
        let column = chunk * 32 + i % 32;
        var value = 0f;
        if (start + key < params.total && column < dim) {
          value = k[k_start + (start + key) * params.k.z + column];
        }
        kv_tile[(i % 32) * 33 + key] = value;
      }
      workgroupBarrier();
      for (var c = 0u; c < 32; c++) {
        let at = c * 33 + x * 4;
        let keys = vec4f(kv_tile[at], kv_tile[at + 1], kv_tile[at + 2], kv_tile[at + 3]);
        let queries = (chunk * 32 + c) * ROWS + row;
        s0 += q_tile[queries] * keys;
        s1 += q_tile[queries + 1] * keys;
      }
    }
    for (var j = 0u; j < 4; j++) {
      let key = start + x * 4 + j;
      var a = LOWEST;
      var b = LOWEST;
      if (key < params.total) {
        a = s0[j];
        b = s1[j];
        if (HAS_BIAS == 1) {
          // Rows past the last query are computed with its bias, and dropped.
          a += bias[bias_start + min(first + row, params.length - 1) * params.bias.w + key];
          b += bias[bias_start + min(first + row + 1, params.length - 1) * params.bias.w + key];
        }
      }
      scores[row * 33 + x * 4 + j] = a;
      scores[(row + 1) * 33 + x * 4 + j] = b;
    }
    workgroupBarrier();
    if (index < ROWS) {
      let before = tops[index];
      var top = before;
      for (var key = 0u; key < KEYS; key++) {
        top = max(top, scores[index * 33 + key]);
      }
      var sum = 0f;
      let left = min(KEYS, params.total - start);
      for (var key = 0u; key < KEYS; key++) {
        var weight = 0f;
        if (key < left) {
          weight = exp(scores[index * 33 + key] - top);
        }
        scores[index * 33 + key] = weight;
        sum += weight;
      }
      let factor = exp(before - top);
      tops[index] = top;
      factors[index] = factor;
      sums[index] = sums[index] * factor + sum;
    }
    workgroupBarrier();
    let factor0 = factors[row];
    let factor1 = factors[row + 1];
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      for (var i = index; i < 1024; i += 64) {
        let key = i / 32;
        let column = chunk * 32 + i % 32;
        var value = 0f;
        if (start + key < params.total && column < dim) {
          value = v[v_start + (start + key) * params.v.z + column];
        }
        kv_tile[key * 33 + i % 32] = value;
      }
      workgroupBarrier();
      var o0 = out0[chunk] * factor0;
      var o1 = out1[chunk] * factor1;
      for (var key = 0u; key < KEYS; key++) {
        let at = key * 33 + x * 4;
        let values = vec4f(kv_tile[at], kv_tile[at + 1], kv_tile[at + 2], kv_tile[at + 3]);
        o0 += scores[row * 33 + key] * values;
        o1 += scores[(row + 1) * 33 + key] * values;
      }
      out0[chunk] = o0;
      out1[chunk] = o1;
      workgroupBarrier();
    }
  }

  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    for (var j = 0u; j < 4; j++) {
      let column = chunk * 32 + x * 4 + j;
      if (column >= dim) {
        continue;
      }
      let at = (group.z * params.length + first + row) * params.width + head * dim + column;
      if (first + row < params.length) {
        y[at] = out0[chunk][j] / sums[row];
      }
      if (first + row + 1 < params.length) {
        y[at + params.width] = out1[chunk][j] / sums[row + 1];
      }
    }
  }
}
