/** What a browser has and Node lacks: decoders for videos (FFmpeg, through @mediabunny/server) and images (libvips, through sharp). */
import { registerImageDecoder } from '../../src/episodes/image-decode.ts';

/** 8K: a header that claims more is damaged. */
const MOST_PIXELS = 2 ** 26;

let registered: Promise<void> | null = null;

/** To be called once before frames are read in Node; `src/episodes` then decodes them as in a browser. */
export function registerDecoders(): Promise<void> {
  registered ??= register();
  return registered;
}

/**
 * mediabunny 1.61 closes a decoder in the same chain of promises as the packet that it failed at, and drops that promise: the error, which was
 * thrown where the frame was asked for, comes a second time as an unhandled rejection. Only decoders of Node are affected. To be deleted when
 * `VideoDecoderWrapper.close` catches it.
 */
export function isSaidAlready(error: unknown): boolean {
  return error instanceof Error && error.name === 'FFmpegError';
}

async function register(): Promise<void> {
  process.on('unhandledRejection', (error) => {
    if (!isSaidAlready(error)) throw error;
  });
  const { registerMediabunnyServer } = await import('@mediabunny/server');
  // In software, so that every machine gives the same pixels; looking for hardware also writes to the terminal.
  registerMediabunnyServer({ hardwareContext: () => null });
  const { default: sharp } = await import('sharp');
  registerImageDecoder(async (bytes) => {
    // Pixels as they were recorded: no colour management.
    const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: MOST_PIXELS });
    const { data, info } = await image
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: new Uint8ClampedArray(data) };
  });
}
