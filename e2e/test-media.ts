import type { Page } from '@playwright/test';
import { PNG } from 'pngjs';
import type { TestFile } from './policy-page.ts';

/** A PNG with a gradient, so that a crop or a flip would show. Its pixels come with it: RGBA. */
export function gradientImage(width: number, height: number): TestFile & { pixels: Buffer } {
  const png = new PNG({ width, height });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      png.data.set([(x * 255) / width, (y * 255) / height, (x + y) % 256, 255], (y * width + x) * 4);
    }
  }
  const buffer = PNG.sync.write(png);
  return { name: 'gradient.png', mimeType: 'image/png', buffer, pixels: png.data };
}

/** Pixels of a PNG data URL, RGBA. */
export function decodePng(dataUrl: string): { width: number; height: number; data: Buffer } {
  return PNG.sync.read(Buffer.from(dataUrl.slice(dataUrl.indexOf(',') + 1), 'base64'));
}

/** A one-second WebM video, recorded by the browser itself from a canvas. */
export async function recordVideo(page: Page): Promise<TestFile> {
  const base64 = await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 160;
    canvas.height = 120;
    const context = canvas.getContext('2d')!;
    const recorder = new MediaRecorder(canvas.captureStream(15), { mimeType: 'video/webm' });
    const parts: Blob[] = [];
    recorder.addEventListener('dataavailable', (event) => parts.push(event.data));
    const stopped = new Promise((resolve) => recorder.addEventListener('stop', resolve));
    recorder.start();
    for (let frame = 0; frame < 15; frame++) {
      context.fillStyle = `hsl(${frame * 24} 80% 50%)`;
      context.fillRect(0, 0, 160, 120);
      context.fillStyle = 'white';
      context.fillRect(frame * 8, 40, 30, 30);
      await new Promise((resolve) => setTimeout(resolve, 66));
    }
    recorder.stop();
    await stopped;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  });
  return { name: 'blocks.webm', mimeType: 'video/webm', buffer: Buffer.from(base64, 'base64') };
}
