import source from './copy-window.wgsl?raw';
import { GpuKernel, type GpuRun } from './gpu-run.ts';
import { pixelGroups, type GpuPixels } from './pixels.ts';

const KERNEL = new GpuKernel('copy-window', source);

/** A window in input coordinates (left and top may be negative) and the colour of what lies outside, 0…255. */
export interface PixelWindow {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly fill: readonly [number, number, number];
}

/** The window's pixels; a temporary of `run`. */
export function copyWindow(run: GpuRun, input: GpuPixels, window: PixelWindow): GpuPixels {
  const { width, height, left, top, fill } = window;
  const buffer = run.temporary(width * height * 4, 'window');
  const params = run.uniform([
    ['u32', width],
    ['u32', height],
    ['u32', input.width],
    ['u32', input.height],
    ['i32', left],
    ['i32', top],
    ['u32', fill[0] | (fill[1] << 8) | (fill[2] << 16)],
  ]);
  run.dispatch(KERNEL, {}, [params, input.buffer, buffer], pixelGroups(width, height));
  return { width, height, buffer };
}
