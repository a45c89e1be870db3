import { ModelError } from '../base/errors.ts';
import type { ImageBytes } from '../model/policy/image-processor.ts';

let canvas: OffscreenCanvas | null = null;

/** A frame's RGBA bytes, through a 2D canvas: for runtimes without a GPU. */
export function readPixels(frame: VideoFrame | ImageBitmap): ImageBytes {
  const [width, height] =
    'displayWidth' in frame ? [frame.displayWidth, frame.displayHeight] : [frame.width, frame.height];
  if (width === 0 || height === 0)
    throw new ModelError('bad-input', 'The frame has no pixels; it was closed already.');
  canvas ??= new OffscreenCanvas(width, height);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(frame, 0, 0);
  return context.getImageData(0, 0, width, height);
}
