// A sum over some axes, a thread a result.  workgroup_size 64, dispatch flat over results / 64. Comes after reduce-places.wgsl.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let i = (group.y * params.groups_a_row + group.x) * 64 + index;
  if (i >= params.count) {
    return;
  }
  let first = kept_place(i);
  var sum = 0f;
  if (params.inner_rank == 1) {
    let stride = params.inner_strides[0].x;
    for (var term = 0u; term < params.terms; term++) {
      sum += input[first + term * stride];
    }
  } else {
    for (var term = 0u; term < params.terms; term++) {
      sum += input[first + summed_place(term)];
    }
  }
  store(i, sum);
}
