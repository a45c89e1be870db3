import { GpuKernel, type GpuRun } from './gpu-run.ts';
import { pixelGroups, type GpuPixels } from './pixels.ts';
import source from './texture-pixels.wgsl?raw';

const KERNEL = new GpuKernel('texture-pixels', source);

/** The pixels of a texture with an 8-bit unorm format and TEXTURE_BINDING; a temporary of `run`. */
export function texturePixels(run: GpuRun, texture: GPUTexture): GpuPixels {
  const { width, height } = texture;
  const buffer = run.temporary(width * height * 4, 'frame');
  run.dispatch(KERNEL, {}, [texture.createView(), buffer], pixelGroups(width, height));
  return { width, height, buffer };
}
