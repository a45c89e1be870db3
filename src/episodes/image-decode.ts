import { ModelError } from '../model/errors.ts';
import type { FrameImage } from './dataset.ts';

/** PNG, JPEG or WebP bytes → RGBA. @throws ModelError `unsupported` outside a browser, `bad-file` for no image */
export async function decodeImage(bytes: Uint8Array<ArrayBuffer>, what: string): Promise<FrameImage> {
  if (typeof createImageBitmap === 'undefined' || typeof OffscreenCanvas === 'undefined') {
    throw new ModelError('unsupported', `${what} is an encoded image, and only a browser decodes those.`);
  }
  let bitmap: ImageBitmap;
  try {
    // Pixels as they were recorded: no colour management, no premultiplied alpha.
    bitmap = await createImageBitmap(new Blob([bytes]), {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
    });
  } catch (error) {
    throw new ModelError('bad-file', `${what} is no image this browser knows.`, 'Copy the dataset again.', {
      cause: error,
    });
  }
  const image = drawn(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  return image;
}

/** The pixels of anything that can be drawn. */
export function drawn(source: CanvasImageSource, width: number, height: number): FrameImage {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.drawImage(source, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data };
}
