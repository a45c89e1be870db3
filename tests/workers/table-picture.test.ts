import type * as THREE from 'three/webgpu';
import { expect, test } from 'vitest';
import type { PracticeTable } from '../../src/practice/table.ts';
import { TableView } from '../../src/practice/view.ts';
import { TablePicture } from '../../src/workers/practice/table-picture.ts';

const table = {} as PracticeTable;

/** A picture of a table at rest, and what was drawn of it. */
function picture() {
  const view = new TableView();
  view.sync = () => false;
  const drawn: { ratio: number; background: string }[] = [];
  let ratio = 1;
  const screen = {
    setPixelRatio: (value: number) => void (ratio = value),
    setSize: () => undefined,
    render: (scene: THREE.Object3D) => {
      const { background } = scene as THREE.Scene;
      drawn.push({ ratio, background: (background as THREE.Color).getHexString() });
    },
  };
  return { view, drawn, made: new TablePicture(screen, view, false) };
}

test('in the dark people see a dark stage, and the policy what it was trained on', () => {
  const { view, drawn, made } = picture();
  const before = (view.scene.background as THREE.Color).getHexString();
  made.draw(0, 16, table);
  made.setDark(true);
  made.draw(1000, 16, table);
  made.setDark(false);
  made.draw(2000, 16, table);
  expect(drawn.map(({ background }) => background)).toEqual([before, '1a2221', before]);
  expect((view.scene.background as THREE.Color).getHexString()).toBe(before);
});

test('a picture that stands still is as fine as the display', () => {
  const { drawn, made } = picture();
  made.resize({ width: 10, height: 10, ratio: 3 });
  made.draw(0, 16, table);
  made.draw(100, 16, table);
  made.draw(1000, 16, table);
  made.draw(1100, 16, table);
  expect(drawn.map(({ ratio }) => ratio)).toEqual([2, 3]);
});
