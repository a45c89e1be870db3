// Of attention's gradient what goes along a column of scores, without workgroup memory: a thread has one key of one key head, and walks
// the queries of all heads that share it eight at a time. Heads of at most 128.
//   dk[j] = scale · Σi ds[i, j] · q[i],   dv[j] = Σi w[i, j] · dy[i];   output [2, batch, total, kvHeads · D]: dk, then dv
//
// workgroup_size 32, dispatch (ceil(total / 32), kvHeads, batch). Comes after attention-gradient-operands.wgsl.

fn kept_of(places: vec4u, i: u32) -> vec4f {
  return vec4f(statistics[places.x + i], statistics[places.y + i], statistics[places.z + i], statistics[places.w + i]);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let key = id.x;
  if (key >= params.total) {
    return;
  }
  let kv_head = group.y;
  let dim = params.head_dim;
  let k_start = params.k.x + group.z * params.k.y + key * params.k.z + kv_head * dim;
  let v_start = params.v.x + group.z * params.v.y + key * params.v.z + kv_head * dim;
  var dk: array<f32, 128>;
  var dv: array<f32, 128>;
  for (var head = kv_head * params.group; head < (kv_head + 1) * params.group; head++) {
    let q_start = params.q.x + group.z * params.q.y + head * dim;
    let dy_start = params.dy.x + group.z * params.dy.y + head * dim;
    let kept = statistics_place(group.z, head, 0);
    for (var start = 0u; start < params.length; start += 8) {
      // Rows past the last are read at the last one, and weigh nothing.
      let rows0 = min(vec4u(start) + vec4u(0, 1, 2, 3), vec4u(params.length - 1));
      let rows1 = min(vec4u(start) + vec4u(4, 5, 6, 7), vec4u(params.length - 1));
      let left = params.length - start;
      let q0 = q_start + rows0 * params.q.z;
      let q1 = q_start + rows1 * params.q.z;
      let dy0 = dy_start + rows0 * params.dy.z;
      let dy1 = dy_start + rows1 * params.dy.z;
      var s0 = vec4f();
      var s1 = vec4f();
      var dw0 = vec4f();
      var dw1 = vec4f();
      for (var i = 0u; i < dim; i++) {
        let own_key = k[k_start + i];
        let own_value = v[v_start + i];
        s0 += own_key * vec4f(q[q0.x + i], q[q0.y + i], q[q0.z + i], q[q0.w + i]);
        s1 += own_key * vec4f(q[q1.x + i], q[q1.y + i], q[q1.z + i], q[q1.w + i]);
        dw0 += own_value * vec4f(dy[dy0.x + i], dy[dy0.y + i], dy[dy0.z + i], dy[dy0.w + i]);
        dw1 += own_value * vec4f(dy[dy1.x + i], dy[dy1.y + i], dy[dy1.z + i], dy[dy1.w + i]);
      }
      s0 *= params.scale;
      s1 *= params.scale;
      if (HAS_BIAS == 1) {
        for (var j = 0u; j < 4; j++) {
          s0[j] += bias_at(group.z, head, rows0[j], key);
          s1[j] += bias_at(group.z, head, rows1[j], key);
        }
      }
      let kept0 = kept + 3 * rows0;
      let kept1 = kept + 3 * rows1;
      let w0 = select(vec4f(), exp(s0 - kept_of(kept0, 0)) * kept_of(kept0, 1), vec4u(0, 1, 2, 3) < vec4u(left));
      let w1 = select(vec4f(), exp(s1 - kept_of(kept1, 0)) * kept_of(kept1, 1), vec4u(4, 5, 6, 7) < vec4u(left));
      let ds0 = w0 * (dw0 - kept_of(kept0, 2));
      let ds1 = w1 * (dw1 - kept_of(kept1, 2));
      for (var i = 0u; i < dim; i++) {
        dk[i] += dot(ds0, vec4f(q[q0.x + i], q[q0.y + i], q[q0.z + i], q[q0.w + i]))
          + dot(ds1, vec4f(q[q1.x + i], q[q1.y + i], q[q1.z + i], q[q1.w + i]));
        dv[i] += dot(w0, vec4f(dy[dy0.x + i], dy[dy0.y + i], dy[dy0.z + i], dy[dy0.w + i]))
          + dot(w1, vec4f(dy[dy1.x + i], dy[dy1.y + i], dy[dy1.z + i], dy[dy1.w + i]));
      }
    }
  }
  let at = key_place(group.z, key, kv_head);
  let size = params.batches * params.total * params.kv_heads * dim;
  for (var i = 0u; i < dim; i++) {
    output[at + i] = dk[i] * params.scale;
    output[size + at + i] = dv[i];
  }
}
