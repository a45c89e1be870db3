// A texture of bytes as one u32 a pixel, red in the low byte, opaque.
// Dispatch (ceil(width / 8), ceil(height / 8)).

@group(0) @binding(0) var source: texture_2d<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let size = textureDimensions(source);
  if (any(id.xy >= size)) {
    return;
  }
  let byte = vec3u(round(textureLoad(source, id.xy, 0).rgb * 255));
  output[id.y * size.x + id.x] = byte.r | (byte.g << 8) | (byte.b << 16) | (255u << 24);
}
