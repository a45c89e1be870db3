// As attention.wgsl without workgroup memory: a thread has one query of one head, and walks the keys eight at a time.
// For adapters on which barriers cost more than reading twice. Heads of at most 128.
//
// workgroup_size 32, dispatch (ceil(length / 32), heads, batch). Comes after attention-operands.wgsl.

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
  let k_start = params.k.x + group.z * params.k.y + kv_head * dim;
  let v_start = params.v.x + group.z * params.v.y + kv_head * dim;
  let bias_start = params.bias.x + group.z * params.bias.y + head * params.bias.z + row * params.bias.w;
  let k_row = params.k.z;
  let v_row = params.v.z;
  var sums: array<f32, 128>;
  var top = LOWEST;
  var total = 0f;
  for (var start = 0u; start < params.total; start += 8) {
    // Keys past the last are read at the last one, and weigh nothing.
    let keys0 = min(vec4u(start) + vec4u(0, 1, 2, 3), vec4u(params.total - 1));
    let keys1 = min(vec4u(start) + vec4u(4, 5, 6, 7), vec4u(params.total - 1));
    let left = params.total - start;
    let k0 = k_start + keys0 * k_row;
    let k1 = k_start + keys1 * k_row;
    var s0 = vec4f();
    var s1 = vec4f();
    for (var i = 0u; i < dim; i++) {
      let value = q[q_start + i];
      s0 += value * vec4f(k[k0.x + i], k[k0.y + i], k[k0.z + i], k[k0.w + i]);
      s1 += value * vec4f(k[k1.x + i], k[k1.y + i], k[k1.z + i], k[k1.w + i]);
    }
    s0 *= params.scale;
    s1 *= params.scale;
    if (HAS_BIAS == 1) {
      let b0 = bias_start + keys0;
      let b1 = bias_start + keys1;
      s0 += vec4f(bias[b0.x], bias[b0.y], bias[b0.z], bias[b0.w]);
      s1 += vec4f(bias[b1.x], bias[b1.y], bias[b1.z], bias[b1.w]);
    }
    // A key read twice cannot raise the maximum.
    let highest = max(s0, s1);
    let next = max(top, max(max(highest.x, highest.y), max(highest.z, highest.w)));
    let factor = exp(top - next);
    let w0 = select(vec4f(), exp(s0 - next), vec4u(0, 1, 2, 3) < vec4u(left));
    let w1 = select(vec4f(), exp(s1 - next), vec4u(4, 5, 6, 7) < vec4u(left));
    total = total * factor + dot(w0 + w1, vec4f(1));
    top = next;
    let v0 = v_start + keys0 * v_row;
    let v1 = v_start + keys1 * v_row;
    for (var i = 0u; i < dim; i++) {
      sums[i] = sums[i] * factor
        + dot(w0, vec4f(v[v0.x + i], v[v0.y + i], v[v0.z + i], v[v0.w + i]))
        + dot(w1, vec4f(v[v1.x + i], v[v1.y + i], v[v1.z + i], v[v1.w + i]));
    }
  }
  let at = (group.z * params.length + row) * params.width + head * dim;
  for (var i = 0u; i < dim; i++) {
    y[at + i] = sums[i] / total;
  }
}
