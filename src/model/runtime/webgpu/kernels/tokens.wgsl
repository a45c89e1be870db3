// Rows of logits [rows, width], a workgroup a row:
//   KIND 0: the place of the largest, of equal ones the first        (argMax)
//   KIND 1: log Σ exp(x) − x[target]                                  (crossEntropy)
//   KIND 2: dy · (softmax(x) − one at the target), over all columns   (crossEntropyGradient)
//
// workgroup_size THREADS, dispatch flat over rows. Targets are whole numbers in float32.

override KIND: u32 = 0;
override THREADS: u32 = 64; // power of two; 1 where barriers cost more than work

struct Params {
  rows: u32,
  width: u32,
  groups_a_row: u32, // of the dispatch
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

var<workgroup> largest: array<f32, THREADS>;
var<workgroup> places: array<u32, THREADS>;
var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = group.y * params.groups_a_row + group.x;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.width;
  var top = x[start + min(index, params.width - 1)];
  var place = min(index, params.width - 1);
  for (var i = index; i < params.width; i += THREADS) {
    let value = x[start + i];
    if (value > top) {
      top = value;
      place = i;
    }
  }
  largest[index] = top;
  places[index] = place;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (index < half) {
      let other = largest[index + half];
      let closer = other == largest[index] && places[index + half] < places[index];
      if (other > largest[index] || closer) {
        largest[index] = other;
        places[index] = places[index + half];
      }
    }
    workgroupBarrier();
  }
  if (KIND == 0) {
    if (index == 0) {
      y[row] = f32(places[0]);
    }
    return;
  }
  let highest = largest[0];
  var sum = 0f;
  for (var i = index; i < params.width; i += THREADS) {
    sum += exp(x[start + i] - highest);
  }
  sums[index] = sum;
  workgroupBarrier();
  for (var half = THREADS / 2; half > 0; half /= 2) {
    if (index < half) {
      sums[index] += sums[index + half];
    }
    workgroupBarrier();
  }
  let target_place = u32(targets[row]);
  if (KIND == 1) {
    if (index == 0) {
      y[row] = highest - x[start + target_place] + log(sums[0]);
    }
    return;
  }
  let scale = dy[row] / sums[0];
  for (var i = index; i < params.width; i += THREADS) {
    let one = select(0f, dy[row], i == target_place);
    y[start + i] = scale * exp(x[start + i] - highest) - one;
  }
}
