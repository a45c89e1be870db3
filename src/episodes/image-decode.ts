/** Encoded images → pixels: by the browser, or by a decoder that a tool registers in Node. */
import { ModelError } from '../base/errors.ts';
import type { FrameImage } from './dataset.ts';

/** Throws whatever it likes for bytes that are not an image. */
export type ImageDecoder = (bytes: Uint8Array<ArrayBuffer>) => Promise<FrameImage>;

let decoder: ImageDecoder | null = null;

/** For hosts without `createImageBitmap`. */
export function registerImageDecoder(decode: ImageDecoder): void {
  decoder = decode;
}

/** PNG, JPEG or WebP bytes → RGBA. @throws ModelError `unsupported` where nothing here decodes them, `bad-file` for what is not an image */
export async function decodeImage(bytes: Uint8Array<ArrayBuffer>, what: string): Promise<FrameImage> {
  const decode = decoder ?? (typeof createImageBitmap === 'undefined' ? null : inBrowser);
  if (!decode) {
    throw new ModelError(
      'unsupported',
      `${what} is an encoded image, and nothing here decodes it.`,
      'Open it in a browser, or register decoders first (tools/node/decoders.ts).',
    );
  }
  try {
    return await decode(bytes);
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError('bad-file', `${what} is not an image that can be read.`, 'Copy the dataset again.', {
      cause: error,
    });
  }
}

async function inBrowser(bytes: Uint8Array<ArrayBuffer>): Promise<FrameImage> {
  // Pixels as they were recorded: no colour management, no premultiplied alpha.
  const bitmap = await createImageBitmap(new Blob([bytes]), {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  try {
    return drawn(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** The pixels of anything that can be drawn. */
export function drawn(source: CanvasImageSource, width: number, height: number): FrameImage {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.drawImage(source, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data };
}
