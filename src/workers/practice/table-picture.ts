import * as THREE from 'three/webgpu';
import { PathLine, PeopleCamera } from '../../practice/people-view.ts';
import type { AnyWorld } from '../../practice/open-world.ts';
import type { TableView } from '../../practice/view.ts';
import type { Screen } from './practice-surroundings.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
  readonly ratio: number;
}

const DARK = new THREE.Color(0x1a2221);
/** Physical pixels a CSS pixel while something moves; at rest as many as the display has. */
const MOVING_RATIO = 2;
const FIRST_FRAME_MS = 16;
/** Slower than this it seems to be the processor that draws: pictures then leave it time to predict in. */
const LABOURED_FRAME_MS = 22;
const PACE_MS = 48;
const SLOW_FRAME_MS = 45;
const COARSEST = 0.35;
/** After this long without movement the picture is drawn once with all its pixels. */
const REST_MS = 250;

/** The picture for people: drawn when something moves, as often and as finely as the machine manages. */
export class TablePicture {
  readonly view: TableView;
  readonly people = new PeopleCamera();
  readonly path = new PathLine();
  readonly #screen: Screen;
  #size: PictureSize = { width: 1, height: 1, ratio: 1 };
  /** Null for the one that the policy sees, too. */
  #background: THREE.Color | null = null;
  /** Something other than the table changed since the last picture. */
  #stale = true;
  /** Share of the pixels per side that is drawn while something moves. */
  #movingDetail = 1;
  /** Likewise, of the last picture. */
  #detail = 1;
  #movedAt = 0;
  /** Running mean. */
  #frameMs = FIRST_FRAME_MS;
  /** Least time between two pictures. */
  #paceMs = 0;
  #drawnAt = 0;

  /** @param software the processor draws */
  constructor(screen: Screen, view: TableView, software: boolean) {
    this.#screen = screen;
    this.view = view;
    view.scene.add(this.path.object);
    if (software) this.#drawLess();
  }

  resize(size: PictureSize): void {
    this.#size = size;
    this.#screen.setPixelRatio(size.ratio * this.#detail);
    this.#screen.setSize(size.width, size.height, false);
    this.people.resize(size.width, size.height);
    this.#stale = true;
  }

  /** What people see behind the table. */
  setDark(dark: boolean): void {
    this.#background = dark ? DARK : null;
    this.#stale = true;
  }

  /** It has to be drawn again. */
  touch(): void {
    this.#stale = true;
  }

  /** Takes in where everything is now, without drawing it. */
  sync(table: AnyWorld): void {
    this.#stale = this.view.sync(table) || this.#stale;
  }

  /** @param now and elapsed since the last frame, milliseconds */
  draw(now: number, elapsedMs: number, table: AnyWorld): void {
    this.#adapt(elapsedMs);
    // A table at rest costs nothing: what is on the screen stays there.
    this.sync(table);
    if (this.#stale) this.#movedAt = now;
    const finest = Math.min(1, MOVING_RATIO / this.#size.ratio);
    const detail = now - this.#movedAt < REST_MS ? Math.min(finest, this.#movingDetail) : 1;
    if (!this.#stale && detail <= this.#detail) return;
    if (now - this.#drawnAt < this.#paceMs) return;
    if (detail !== this.#detail) {
      this.#detail = detail;
      this.#screen.setPixelRatio(this.#size.ratio * detail);
    }
    this.#stale = false;
    this.#drawnAt = now;
    const { scene } = this.view;
    const { background } = scene;
    if (this.#background) scene.background = this.#background;
    this.#screen.render(scene, this.people.camera);
    // The policy's cameras see what they were trained on.
    scene.background = background;
  }

  /** Draws less often and fewer pixels where frames take long: a smooth coarse picture serves better than a fine one that stutters. */
  #adapt(elapsedMs: number): void {
    if (elapsedMs > 1000) return;
    this.#frameMs += 0.05 * (elapsedMs - this.#frameMs);
    if (this.#frameMs > (this.#paceMs === 0 ? LABOURED_FRAME_MS : SLOW_FRAME_MS)) this.#drawLess();
  }

  #drawLess(): void {
    this.#paceMs = PACE_MS;
    this.#movingDetail = Math.max(COARSEST, this.#movingDetail * 0.7);
    this.#frameMs = FIRST_FRAME_MS;
  }
}
