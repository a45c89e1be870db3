/** The fake camera's picture: a Y4M video that Chromium plays in a loop in place of a webcam. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

const WIDTH = 320;
const HEIGHT = 240;
const FRAMES = 20;

const cameraVideoPath = resolve(import.meta.dirname, '../node_modules/.cache/e2e/camera.y4m');
/** What Chromium is started with to have it for a camera, with no question asked. */
export const CAMERA_FLAGS = [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  `--use-file-for-fake-video-capture=${cameraVideoPath}`,
];

interface Block {
  /** Left edge in the first frame and movement per frame, pixels; even, as chroma has half the resolution. */
  x: number;
  dx: number;
  y: number;
  size: number;
  yuv: readonly [number, number, number];
}

const BACKGROUND = [90, 120, 132] as const;
const BLOCKS: readonly Block[] = [
  { x: 20, dx: 4, y: 30, size: 80, yuv: [76, 85, 235] },
  { x: 200, dx: -2, y: 120, size: 90, yuv: [149, 44, 21] },
  { x: 120, dx: 2, y: 170, size: 50, yuv: [41, 240, 110] },
];

/** One plane of a frame; `step` is 1 for luma and 2 for the subsampled chroma. */
function plane(frame: number, channel: 0 | 1 | 2, step: 1 | 2): Uint8Array {
  const width = WIDTH / step;
  const data = new Uint8Array(width * (HEIGHT / step)).fill(BACKGROUND[channel]);
  for (const { x, dx, y, size, yuv } of BLOCKS) {
    const left = (x + dx * frame) / step;
    for (let row = y / step; row < (y + size) / step; row++) {
      data.fill(yuv[channel], row * width + left, row * width + left + size / step);
    }
  }
  return data;
}

/** Writes 2.3 MB: twenty frames of coloured blocks that move a few pixels a frame. */
export async function writeCameraVideo(): Promise<void> {
  const parts: Uint8Array[] = [
    new TextEncoder().encode(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`),
  ];
  for (let frame = 0; frame < FRAMES; frame++) {
    parts.push(new TextEncoder().encode('FRAME\n'));
    parts.push(plane(frame, 0, 1), plane(frame, 1, 2), plane(frame, 2, 2));
  }
  await mkdir(dirname(cameraVideoPath), { recursive: true });
  await writeFile(cameraVideoPath, Buffer.concat(parts));
}
