// Of attention's gradient what goes along a column of scores, for one key head and 16 keys a workgroup; the queries of all heads that
// share it are walked 32 at a time.
//   dk[j] = scale · Σi ds[i, j] · q[i],   dv[j] = Σi w[i, j] · dy[i];   output [2, batch, total, kvHeads · D]: dk, then dv
//
// workgroup_size 64, dispatch (ceil(total / 16), kvHeads, batch). Comes after attention-gradient-tiles.wgsl.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let first = group.x * 16;
  let kv_head = group.y;
  let x = index % 8;
  let y = (index / 8) * 2;
  var dk0: array<vec4f, 4>;
  var dk1: array<vec4f, 4>;
  var dv0: array<vec4f, 4>;
  var dv1: array<vec4f, 4>;

  for (var member = 0u; member < params.group; member++) {
    let head = kv_head * params.group + member;
    let queries = rows_of(Q, group.z, head);
    let keys = rows_of(K, group.z, head);
    let values = rows_of(V, group.z, head);
    let gradients = rows_of(DY, group.z, head);
    for (var start = 0u; start < params.length; start += 32) {
      let s = products(keys, first, queries, start, index);
      let dw = products(values, first, gradients, start, index);
      for (var i = 0u; i < 2; i++) {
        let key = first + y + i;
        for (var j = 0u; j < 4; j++) {
          let row = start + x * 4 + j;
          let at = (y + i) * 33 + x * 4 + j;
          var weight = 0f;
          var delta = 0f;
          if (row < params.length && key < params.total) {
            let kept = statistics_place(group.z, head, row);
            var score = s[i][j] * params.scale;
            if (HAS_BIAS == 1) {
              score += bias_at(group.z, head, row, key);
            }
            weight = exp(score - statistics[kept]) * statistics[kept + 1];
            delta = statistics[kept + 2];
          }
          weights[at] = weight;
          others[at] = weight * (dw[i][j] - delta);
        }
      }
      for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        load_rows(gradients, start, chunk, index);
        for (var row = 0u; row < 32; row++) {
          let four = four_of(row, x);
          dv0[chunk] += weights[y * 33 + row] * four;
          dv1[chunk] += weights[(y + 1) * 33 + row] * four;
        }
        load_rows(queries, start, chunk, index);
        for (var row = 0u; row < 32; row++) {
          let four = four_of(row, x);
          dk0[chunk] += others[y * 33 + row] * four;
          dk1[chunk] += others[(y + 1) * 33 + row] * four;
        }
      }
    }
  }

  let size = params.batches * params.total * params.kv_heads * params.head_dim;
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    for (var j = 0u; j < 4; j++) {
      let column = chunk * 32 + x * 4 + j;
      if (column >= params.head_dim) {
        continue;
      }
      let at = key_place(group.z, first + y, kv_head) + column;
      let below = key_place(group.z, first + y + 1, kv_head) + column;
      if (first + y < params.total) {
        output[at] = dk0[chunk][j] * params.scale;
        output[size + at] = dv0[chunk][j];
      }
      if (first + y + 1 < params.total) {
        output[below] = dk1[chunk][j] * params.scale;
        output[size + below] = dv1[chunk][j];
      }
    }
  }
}
