// A sum over some axes, a workgroup a result.  workgroup_size 64, dispatch flat over results. Comes after reduce-places.wgsl.

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let result = group.y * params.groups_a_row + group.x;
  let inside = result < params.count;
  var sum = 0f;
  if (inside) {
    let first = kept_place(result);
    for (var term = index; term < params.terms; term += 64) {
      sum += input[first + summed_place(term)];
    }
  }
  partial[index] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0; half /= 2) {
    if (index < half) {
      partial[index] += partial[index + half];
    }
    workgroupBarrier();
  }
  if (inside && index == 0) {
    store(result, partial[0]);
  }
}
