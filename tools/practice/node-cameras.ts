/** The table's cameras in Node: three.js on Dawn. */
import { ModelError } from '../../src/base/errors.ts';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import type { TableCameras } from '../../src/practice/observe.ts';
import type { TableView } from '../../src/practice/view.ts';
import { openDawn } from '../node/dawn.ts';

export interface NodeCameras {
  readonly view: TableView;
  readonly cameras: TableCameras;
  /** The adapter in words. */
  readonly label: string;
  release(): void;
}

/**
 * Opens a device of its own. Works in a main thread or a forked process (see `openDawn`).
 * @throws ModelError `unsupported` where there is neither a GPU nor a Chromium whose software renderer could stand in
 */
export async function openNodeCameras(): Promise<NodeCameras> {
  const dawn = await openDawn();
  if ('reason' in dawn) throw new ModelError('unsupported', dawn.reason, 'Install a Chromium.');
  const { device, label } = dawn;
  // three.js looks for these on a page's window.
  Object.assign(globalThis, {
    self: globalThis,
    requestAnimationFrame: (callback: () => void) => setTimeout(callback, 16),
    cancelAnimationFrame: clearTimeout,
  });
  const THREE = await import('three/webgpu');
  const { TableView } = await import('../../src/practice/view.ts');
  const { TableCameras } = await import('../../src/practice/observe.ts');
  const canvas = offscreen(device, IMAGE_SIZE);
  const renderer = new THREE.WebGPURenderer({
    canvas: canvas as unknown as HTMLCanvasElement,
    device,
    antialias: false,
  });
  await renderer.init();
  const cameras = new TableCameras(renderer);
  return {
    view: new TableView(),
    cameras,
    label,
    release: () => {
      cameras.dispose();
      void renderer.dispose();
      dawn.release();
    },
  };
}

const ignore = () => undefined;

/** A canvas nobody looks at: three.js wants one even when it draws to textures only. */
function offscreen(device: GPUDevice, size: number) {
  const context = {
    configure: ignore,
    unconfigure: ignore,
    getCurrentTexture: () =>
      device.createTexture({
        size: [size, size],
        format: 'bgra8unorm',
        usage: GPUTextureUsage.RENDER_ATTACHMENT,
      }),
  };
  return {
    width: size,
    height: size,
    style: {},
    addEventListener: ignore,
    removeEventListener: ignore,
    setAttribute: ignore,
    getContext: () => context,
  };
}
