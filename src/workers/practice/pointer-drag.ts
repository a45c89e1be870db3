import type { ObjectName } from '../../practice/objects.ts';
import type { World } from '../../practice/world.ts';
import type { PointerPhase } from '../boundary/contract-practice.ts';
import type { Hand } from './hand.ts';
import type { TablePicture } from './table-picture.ts';

/** Where an object is held above where it lies, metres. */
const LIFTED = 0.03;

/** A pointer in the picture: drags an object, or the gripper of somebody who records. */
export class PointerDrag {
  #held: { readonly name: ObjectName | 'gripper'; readonly height: number } | null = null;

  get holds(): boolean {
    return this.#held !== null;
  }

  /** Forgets what it held: the table is another one, or stands still. */
  drop(): void {
    this.#held = null;
  }

  /** @param x and y in pixels of the page @returns what the pointer moves */
  to(
    phase: PointerPhase,
    [x, y]: readonly [number, number],
    { table, picture, hand }: { table: World; picture: TablePicture; hand: Hand | null },
  ): 'object' | 'view' {
    if (phase === 'up') {
      if (this.#held) table.hold(this.#held.name, null);
      hand?.drag(null);
      this.#held = null;
      return 'view';
    }
    if (phase === 'down') {
      const names = [...table.layout.objects.map((object) => object.name), 'gripper' as const];
      const name = picture.people.pick(picture.view, names, x, y);
      this.#held = name && { name, height: table.position(name)[2] + (name === 'gripper' ? 0 : LIFTED) };
    }
    if (!this.#held) return 'view';
    const point = picture.people.onPlane(x, y, this.#held.height);
    if (point && hand && this.#held.name === 'gripper') hand.drag(point);
    else if (point) table.hold(this.#held.name, point);
    return 'object';
  }
}
