import { afterAll, describe, expect, it } from 'vitest';
import { IMAGE_SIZE } from '../../src/practice/image-size.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { PracticeTable } from '../../src/practice/table.ts';
import { assignmentFor, taskNamed } from '../../src/practice/tasks.ts';
import { PLAIN } from '../../src/practice/view.ts';
import { openNodeCameras, type NodeCameras } from '../../tools/practice/node-cameras.ts';

/** Dawn on a GPU or on the software renderer of a Chromium; a machine without either says so. */
const opened: NodeCameras | { reason: string } = await openNodeCameras().catch((error: unknown) => ({
  reason: String(error),
}));
const missing = 'reason' in opened ? opened.reason : null;
afterAll(() => {
  if (!('reason' in opened)) opened.release();
});

describe.skipIf(missing !== null)(`the table's cameras${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const { view, cameras } = opened as NodeCameras;

  it('see each block in its colour, where the projection says it is, upright', async () => {
    const mujoco = await loadMujoco();
    const { layout } = assignmentFor(taskNamed('reach'), 21);
    const table = new PracticeTable(mujoco, layout);
    view.setAppearance(PLAIN);
    view.sync(table);
    const [main] = await cameras.observe(view);
    expect([main!.width, main!.height, main!.data.length]).toEqual([
      IMAGE_SIZE,
      IMAGE_SIZE,
      4 * IMAGE_SIZE ** 2,
    ]);
    const strongest = { 'red block': 0, 'green block': 1, 'blue block': 2 } as const;
    let seen = 0;
    for (const { name } of layout.objects) {
      const channel = strongest[name as keyof typeof strongest];
      if (channel === undefined) continue;
      const [x, y, z] = table.position(name);
      view.cameras.main.updateMatrixWorld();
      const at = view.cameras.main.position.clone().set(x, y, z).project(view.cameras.main);
      const column = Math.floor(((at.x + 1) / 2) * IMAGE_SIZE);
      const row = Math.floor(((1 - at.y) / 2) * IMAGE_SIZE);
      const rgb = [
        ...main!.data.subarray(4 * (row * IMAGE_SIZE + column), 4 * (row * IMAGE_SIZE + column) + 3),
      ];
      expect(rgb.indexOf(Math.max(...rgb)), `${name} at ${column}, ${row}: ${rgb.join()}`).toBe(channel);
      seen++;
    }
    expect(seen).toBeGreaterThan(0);
    table.dispose();
  });

  it('see the same twice, and a lit table brighter', async () => {
    const mujoco = await loadMujoco();
    const table = new PracticeTable(mujoco, assignmentFor(taskNamed('stack'), 3).layout);
    view.setAppearance(PLAIN);
    view.sync(table);
    const first = await cameras.observe(view);
    expect(await cameras.observe(view)).toEqual(first);
    view.setAppearance({ ...PLAIN, light: 0.6 });
    const darker = await cameras.observe(view);
    const brightness = (images: typeof first) => images[0]!.data.reduce((sum, value) => sum + value, 0);
    expect(brightness(darker)).toBeLessThan(0.95 * brightness(first));
    table.dispose();
  });
});
