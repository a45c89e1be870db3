// Of attention's gradient what goes along a row of scores, without workgroup memory: a thread has one query of one head and walks the
// keys eight at a time. Heads of at most 128.
//   KIND 0: statistics [batch, heads, length, 3]
//   KIND 1: dq[i] = scale · Σj ds[i, j] · k[j]
//
// workgroup_size 32, dispatch (ceil(length / 32), heads, batch). Comes after attention-gradient-operands.wgsl.

override KIND: u32 = 0;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let row = id.x;
  if (row >= params.length) {
    return;
  }
  let head = group.y;
  let kv_head = head / params.group;
  let dim = params.head_dim;
  let q_start = params.q.x + group.z * params.q.y + row * params.q.z + head * dim;
  let dy_start = params.dy.x + group.z * params.dy.y + row * params.dy.z + head * dim;
  let k_start = params.k.x + group.z * params.k.y + kv_head * dim;
  let v_start = params.v.x + group.z * params.v.y + kv_head * dim;
  let kept = statistics_place(group.z, head, row);
  var top = LOWEST;
  var total = 0f;
  var delta = 0f;
  if (KIND == 1) {
    top = statistics[kept];
    total = statistics[kept + 1];
    delta = statistics[kept + 2];
  }
  var sums: array<f32, 128>;
  for (var start = 0u; start < params.total; start += 8) {
    // Keys past the last are read at the last one, and weigh nothing.
    let keys0 = min(vec4u(start) + vec4u(0, 1, 2, 3), vec4u(params.total - 1));
    let keys1 = min(vec4u(start) + vec4u(4, 5, 6, 7), vec4u(params.total - 1));
    let left = params.total - start;
    let k0 = k_start + keys0 * params.k.z;
    let k1 = k_start + keys1 * params.k.z;
    let v0 = v_start + keys0 * params.v.z;
    let v1 = v_start + keys1 * params.v.z;
    var s0 = vec4f();
    var s1 = vec4f();
    var dw0 = vec4f();
    var dw1 = vec4f();
    for (var i = 0u; i < dim; i++) {
      let query = q[q_start + i];
      let gradient = dy[dy_start + i];
      s0 += query * vec4f(k[k0.x + i], k[k0.y + i], k[k0.z + i], k[k0.w + i]);
      s1 += query * vec4f(k[k1.x + i], k[k1.y + i], k[k1.z + i], k[k1.w + i]);
      dw0 += gradient * vec4f(v[v0.x + i], v[v0.y + i], v[v0.z + i], v[v0.w + i]);
      dw1 += gradient * vec4f(v[v1.x + i], v[v1.y + i], v[v1.z + i], v[v1.w + i]);
    }
    s0 *= params.scale;
    s1 *= params.scale;
    if (HAS_BIAS == 1) {
      for (var j = 0u; j < 4; j++) {
        s0[j] += bias_at(group.z, head, row, keys0[j]);
        s1[j] += bias_at(group.z, head, row, keys1[j]);
      }
    }
    let inside0 = vec4u(0, 1, 2, 3) < vec4u(left);
    let inside1 = vec4u(4, 5, 6, 7) < vec4u(left);
    if (KIND == 0) {
      // A key read twice cannot raise the maximum.
      let highest = max(s0, s1);
      let next = max(top, max(max(highest.x, highest.y), max(highest.z, highest.w)));
      let factor = exp(top - next);
      let w0 = select(vec4f(), exp(s0 - next), inside0);
      let w1 = select(vec4f(), exp(s1 - next), inside1);
      total = total * factor + dot(w0 + w1, vec4f(1));
      delta = delta * factor + dot(w0, dw0) + dot(w1, dw1);
      top = next;
    } else {
      let ds0 = select(vec4f(), exp(s0 - top) * total * (dw0 - delta), inside0);
      let ds1 = select(vec4f(), exp(s1 - top) * total * (dw1 - delta), inside1);
      for (var i = 0u; i < dim; i++) {
        sums[i] += dot(ds0, vec4f(k[k0.x + i], k[k0.y + i], k[k0.z + i], k[k0.w + i]))
          + dot(ds1, vec4f(k[k1.x + i], k[k1.y + i], k[k1.z + i], k[k1.w + i]));
      }
    }
  }
  if (KIND == 0) {
    output[kept] = top;
    output[kept + 1] = 1 / total;
    output[kept + 2] = delta / total;
    return;
  }
  let at = query_place(group.z, row, head);
  for (var i = 0u; i < dim; i++) {
    output[at + i] = sums[i] * params.scale;
  }
}
