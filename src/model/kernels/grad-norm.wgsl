// output[group] += sum of input² (or, in the second level, of input) over a workgroup's share.
//
// The order of additions depends on `count` and the dispatch only, so that a run can be repeated exactly: the first
// level leaves a sum per workgroup, the second, one workgroup, adds these to the result.
//
// Flat f32 array of `count`; dispatch (any number up to a side), which share it evenly.

override THREADS: u32 = 256; // power of two
override SQUARED: bool = true;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  var sum = 0f;
  for (var i = group.x * THREADS + thread; i < params.count; i += groups.x * THREADS) {
    let value = input[i];
    sum += select(value, value * value, SQUARED);
  }
  partial[thread] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (thread < half) {
      partial[thread] += partial[thread + half];
    }
    workgroupBarrier();
  }
  if (thread == 0) {
    output[group.x] += partial[0];
  }
}
