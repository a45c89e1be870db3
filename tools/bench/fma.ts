/** What a GPU does at most in float32: multiply-adds that touch nothing but registers. */
const CODE = `
override ROUNDS: u32;
@group(0) @binding(0) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = 0.999f + f32(id.x % 7) * 1e-5;
  var a = vec4f(0.1, 0.2, 0.3, 0.4) + f32(id.x);
  var b = a + 1;
  var c = a + 2;
  var d = a + 3;
  // Eight independent chains a thread hide what each waits for.
  for (var i = 0u; i < ROUNDS; i++) {
    a = fma(a, vec4f(factor), vec4f(0.5));
    b = fma(b, vec4f(factor), vec4f(0.5));
    c = fma(c, vec4f(factor), vec4f(0.5));
    d = fma(d, vec4f(factor), vec4f(0.5));
  }
  let sum = a + b + c + d;
  result[id.x] = sum.x + sum.y + sum.z + sum.w;
}`;

const THREADS = 256;

/** @returns GFLOPS, a multiply-add counted as two, the best of five */
export async function benchFma(device: GPUDevice): Promise<number> {
  const software = /swiftshader|llvmpipe/i.test(
    `${device.adapterInfo.architecture} ${device.adapterInfo.description}`,
  );
  const [groups, rounds] = software ? [16, 64] : [4096, 2048];
  const pipeline = await device.createComputePipelineAsync({
    label: 'fma',
    layout: 'auto',
    compute: {
      module: device.createShaderModule({ label: 'fma', code: CODE }),
      constants: { ROUNDS: rounds },
    },
  });
  const size = 4 * groups * THREADS;
  const buffer = device.createBuffer({ label: 'fma', size, usage: GPUBufferUsage.STORAGE });
  const group = device.createBindGroup({
    label: 'fma',
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const times: number[] = [];
  for (let run = 0; run < 6; run++) {
    const start = performance.now();
    const encoder = device.createCommandEncoder({ label: 'fma' });
    const pass = encoder.beginComputePass({ label: 'fma' });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    // The first is a warm-up.
    if (run > 0) times.push(performance.now() - start);
  }
  buffer.destroy();
  return (2 * 16 * rounds * groups * THREADS) / Math.min(...times) / 1e6;
}
