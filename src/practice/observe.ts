/** What the policy's cameras see: the scene drawn into small images. */
import * as THREE from 'three/webgpu';
import type { FrameImage } from '../episodes/dataset.ts';
import { IMAGE_SIZE } from './image-size.ts';
import { CAMERAS, type CameraName, type TableView } from './view.ts';

/** Pixels per side are drawn this many times finer and averaged: the same edges on every driver. */
const SAMPLES = 4;

const imageTarget = () => new THREE.RenderTarget(IMAGE_SIZE, IMAGE_SIZE, { samples: SAMPLES });

/** Draws a view's cameras with any three.js renderer. */
export class TableCameras {
  readonly #renderer: THREE.WebGPURenderer;
  readonly #targets: Readonly<Record<CameraName, THREE.RenderTarget>>;

  /** @param renderer initialised; stays the caller's */
  constructor(renderer: THREE.WebGPURenderer) {
    this.#renderer = renderer;
    renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    this.#targets = { main: imageTarget(), wrist: imageTarget() };
  }

  /** One image per camera, in the order of `CAMERAS`. */
  async observe(view: TableView): Promise<FrameImage[]> {
    const renderer = this.#renderer;
    const before = renderer.getRenderTarget();
    // Lights are read once per frame, and frames are counted by an animation loop that may not have turned since.
    renderer.inspector.nodeFrame.update();
    for (const name of CAMERAS) {
      renderer.setRenderTarget(this.#targets[name]);
      renderer.render(view.scene, view.cameras[name]);
    }
    renderer.setRenderTarget(before);
    return Promise.all(
      CAMERAS.map(async (name) => {
        const pixels = (await renderer.readRenderTargetPixelsAsync(
          this.#targets[name],
          0,
          0,
          IMAGE_SIZE,
          IMAGE_SIZE,
        )) as Uint8Array;
        return { width: IMAGE_SIZE, height: IMAGE_SIZE, data: rows(pixels, this.#bottomUp) };
      }),
    );
  }

  dispose(): void {
    for (const target of Object.values(this.#targets)) target.dispose();
  }

  /** WebGL reads from the lowest row up. */
  get #bottomUp(): boolean {
    return (this.#renderer.backend as { isWebGLBackend?: boolean }).isWebGLBackend === true;
  }
}

/** RGBA, tight rows, top first, opaque. WebGPU pads rows to 256 bytes. */
function rows(pixels: Uint8Array, bottomUp: boolean): Uint8ClampedArray<ArrayBuffer> {
  const width = 4 * IMAGE_SIZE;
  const stride =
    pixels.length >= IMAGE_SIZE * width + (256 - (width % 256)) * (IMAGE_SIZE - 1)
      ? Math.ceil(width / 256) * 256
      : width;
  const data = new Uint8ClampedArray(IMAGE_SIZE * width);
  for (let row = 0; row < IMAGE_SIZE; row++) {
    const from = (bottomUp ? IMAGE_SIZE - 1 - row : row) * stride;
    data.set(pixels.subarray(from, from + width), row * width);
  }
  for (let i = 3; i < data.length; i += 4) data[i] = 255;
  return data;
}
