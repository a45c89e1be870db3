import * as THREE from 'three/webgpu';
import { expect, test, vi } from 'vitest';
import { TableView } from '../../src/practice/view.ts';
import { LastingScreen } from '../../src/workers/practice/lasting-screen.ts';

test('after WebGL was lost the cameras say so instead of showing black, and see the same again once it is back', async () => {
  const canvas = new OffscreenCanvas(64, 64);
  const element = Object.assign(canvas, { style: {} }) as unknown as HTMLCanvasElement;
  const screen = await LastingScreen.open(canvas, async () => {
    const renderer = new THREE.WebGPURenderer({ canvas: element, forceWebGL: true });
    await renderer.init();
    return renderer;
  });
  screen.setSize(64, 64, false);
  const view = new TableView();
  const before = await screen.observe(view);
  expect(new Set(before[0]!.data).size).toBeGreaterThan(2);
  screen.render(view.scene, view.cameras.main);

  const graphics = canvas.getContext('webgl2')!.getExtension('WEBGL_lose_context')!;
  // It may be restored once all have heard that it was lost.
  const told = new Promise<void>((heard) =>
    canvas.addEventListener('webglcontextlost', () => setTimeout(heard), { once: true }),
  );
  const inFlight = screen.observe(view);
  graphics.loseContext();
  await expect(inFlight).rejects.toMatchObject({ code: 'drawing-lost' });
  await expect(screen.observe(view)).rejects.toMatchObject({ code: 'drawing-lost' });
  // Drawing for people goes on when it can.
  screen.render(view.scene, view.cameras.main);
  await told;
  graphics.restoreContext();
  await vi.waitFor(async () => expect((await screen.observe(view))[0]!.data).toEqual(before[0]!.data), {
    timeout: 20_000,
  });
});
