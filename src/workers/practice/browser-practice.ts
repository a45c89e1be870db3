import * as THREE from 'three/webgpu';
import { ModelError } from '../../base/errors.ts';
import { loadMujoco } from '../../practice/mujoco.ts';
import { LastingScreen } from './lasting-screen.ts';
import type { PracticeSurroundings } from './practice-surroundings.ts';

export const browserPractice: PracticeSurroundings = {
  loadMujoco,
  openScreen: async (canvas) => {
    const { screen, software } = await openScreen(canvas);
    return { screen, cameras: screen, software };
  },
  everyFrame: (draw) => {
    const next = (now: number): void => {
      requestAnimationFrame(next);
      draw(now);
    };
    requestAnimationFrame(next);
  },
  everyTick: (tick) => {
    const next = (): void => {
      const now = performance.now();
      setTimeout(next, Math.max(0, tick(now) - performance.now()));
    };
    next();
  },
  now: () => performance.now(),
};

/** On WebGPU, or WebGL 2 where there is none. */
async function openScreen(canvas: OffscreenCanvas): Promise<{ screen: LastingScreen; software: boolean }> {
  try {
    // three.js asks the canvas for what only one in a document has.
    const element = Object.assign(canvas, { style: {} }) as unknown as HTMLCanvasElement;
    const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
    // Chromium's software WebGPU cannot show a canvas; its software WebGL can.
    const software = adapter?.info.isFallbackAdapter ?? false;
    const make = async (): Promise<THREE.WebGPURenderer> => {
      const renderer = new THREE.WebGPURenderer({
        canvas: element,
        antialias: true,
        forceWebGL: !adapter || software,
      });
      await renderer.init();
      return renderer;
    };
    return { screen: await LastingScreen.open(canvas, make), software };
  } catch (error) {
    throw new ModelError(
      'unsupported',
      `The practice table cannot be drawn here: ${error instanceof Error ? error.message : String(error)}`,
      'Allow hardware acceleration or WebGL in the browser’s settings, or use the camera view.',
      { cause: error },
    );
  }
}
