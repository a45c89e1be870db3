// Of attention's gradient what goes along a row of scores, for one head and 16 queries a workgroup; keys are walked 32 at a time.
//   KIND 0: statistics [batch, heads, length, 3]
//   KIND 1: dq[i] = scale · Σj ds[i, j] · k[j]
//
// workgroup_size 64, dispatch (ceil(length / 16), heads, batch). Comes after attention-gradient-tiles.wgsl.

override KIND: u32 = 0;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let first = group.x * 16;
  let head = group.y;
  let queries = rows_of(Q, group.z, head);
  let keys = rows_of(K, group.z, head);
  let values = rows_of(V, group.z, head);
  let gradients = rows_of(DY, group.z, head);
  let x = index % 8;
  let y = (index / 8) * 2;
  // Of KIND 0: thread i < 16 has row i.
  var top = LOWEST;
  var total = 0f;
  var delta = 0f;
  var out0: array<vec4f, 4>;
  var out1: array<vec4f, 4>;

  for (var start = 0u; start < params.total; start += 32) {
    let s = products(queries, first, keys, start, index);
    let dw = products(gradients, first, values, start, index);
    for (var i = 0u; i < 2; i++) {
      // Rows past the last query are computed as the last, and dropped.
      let row = min(first + y + i, params.length - 1);
      let kept = statistics_place(group.z, head, row);
      for (var j = 0u; j < 4; j++) {
        let key = start + x * 4 + j;
        let at = (y + i) * 33 + x * 4 + j;
        let inside = key < params.total && first + y + i < params.length;
        var score = s[i][j] * params.scale;
        if (HAS_BIAS == 1 && inside) {
          score += bias_at(group.z, head, row, key);
        }
        if (KIND == 0) {
          weights[at] = select(LOWEST, score, inside);
          others[at] = dw[i][j];
        } else if (inside) {
          weights[at] = exp(score - statistics[kept]) * statistics[kept + 1] * (dw[i][j] - statistics[kept + 2]);
        } else {
          weights[at] = 0;
        }
      }
    }
    workgroupBarrier();
    if (KIND == 0) {
      if (index < 16) {
        let left = min(32u, params.total - start);
        var next = top;
        for (var key = 0u; key < left; key++) {
          next = max(next, weights[index * 33 + key]);
        }
        let factor = exp(top - next);
        total *= factor;
        delta *= factor;
        for (var key = 0u; key < left; key++) {
          let weight = exp(weights[index * 33 + key] - next);
          total += weight;
          delta += weight * others[index * 33 + key];
        }
        top = next;
      }
    } else {
      for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        load_rows(keys, start, chunk, index);
        var o0 = out0[chunk];
        var o1 = out1[chunk];
        for (var key = 0u; key < 32; key++) {
          let four = four_of(key, x);
          o0 += weights[y * 33 + key] * four;
          o1 += weights[(y + 1) * 33 + key] * four;
        }
        out0[chunk] = o0;
        out1[chunk] = o1;
      }
    }
  }

  if (KIND == 0) {
    if (index < 16 && first + index < params.length) {
      let kept = statistics_place(group.z, head, first + index);
      output[kept] = top;
      output[kept + 1] = 1 / total;
      output[kept + 2] = delta / total;
    }
    return;
  }
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    for (var j = 0u; j < 4; j++) {
      let column = chunk * 32 + x * 4 + j;
      if (column >= params.head_dim) {
        continue;
      }
      if (first + y < params.length) {
        output[query_place(group.z, first + y, head) + column] = out0[chunk][j] * params.scale;
      }
      if (first + y + 1 < params.length) {
        output[query_place(group.z, first + y + 1, head) + column] = out1[chunk][j] * params.scale;
      }
    }
  }
}
