import type * as THREE from 'three/webgpu';
import { ModelError } from '../../base/errors.ts';
import type { FrameImage } from '../../episodes/dataset.ts';
import { TableCameras } from '../../practice/observe.ts';
import type { TableView } from '../../practice/view.ts';
import type { Cameras, Screen } from './practice-surroundings.ts';

/** What lost its graphics this often does not get them back by trying once more. */
const MOST_RETURNS = 5;

type Renderer = THREE.WebGPURenderer;

const lost = (cause?: unknown): ModelError =>
  new ModelError(
    'drawing-lost',
    'The graphics that draw the practice table were lost, and the policy cannot see it.',
    'They usually come back within seconds: try again then, or reload the page.',
    { cause },
  );

/**
 * A renderer that outlives the loss of its graphics: on WebGL when the browser gives the context back, on WebGPU with a new device. Until then
 * nothing is drawn, and the cameras reject instead of giving black pictures.
 */
export class LastingScreen implements Screen, Cameras {
  /** Makes a renderer on the same canvas. */
  readonly #make: () => Promise<Renderer>;
  #renderer: Renderer;
  #cameras: TableCameras;
  #lost = false;
  /** Of observations that are on their way: three.js waits for lost graphics for ever. */
  readonly #waiting = new Set<(error: ModelError) => void>();
  #returns = 0;
  #size: readonly [width: number, height: number, style: boolean] = [1, 1, false];
  #ratio = 1;
  #last: Parameters<Screen['render']> | null = null;

  private constructor(canvas: EventTarget, make: () => Promise<Renderer>, first: Renderer) {
    this.#make = make;
    this.#renderer = first;
    this.#cameras = new TableCameras(first);
    this.#watch(first);
    canvas.addEventListener('webglcontextlost', (event) => {
      // Without this the browser never gives it back.
      event.preventDefault();
      this.#lose();
    });
    canvas.addEventListener('webglcontextrestored', () => void this.#renew());
  }

  /** @throws what `make` rejects with */
  static async open(canvas: EventTarget, make: () => Promise<Renderer>): Promise<LastingScreen> {
    return new LastingScreen(canvas, make, await make());
  }

  setPixelRatio(ratio: number): void {
    this.#ratio = ratio;
    if (!this.#gone) this.#renderer.setPixelRatio(ratio);
  }

  setSize(width: number, height: number, style = false): void {
    this.#size = [width, height, style];
    if (!this.#gone) this.#renderer.setSize(width, height, style);
  }

  render(...what: Parameters<Screen['render']>): void {
    this.#last = what;
    if (!this.#gone) this.#renderer.render(...what);
  }

  /** @throws ModelError `drawing-lost` */
  async observe(view: TableView): Promise<FrameImage[]> {
    const cameras = this.#cameras;
    if (this.#gone) throw lost();
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      cameras
        .observe(view)
        // Reading from graphics that were lost meanwhile gives zeros, without an error.
        .then(
          (images) => (this.#gone || cameras !== this.#cameras ? reject(lost()) : resolve(images)),
          (error: unknown) =>
            reject(this.#gone || cameras !== this.#cameras ? lost(error) : (error as Error)),
        )
        .finally(() => this.#waiting.delete(reject));
    });
  }

  #lose(): void {
    this.#lost = true;
    for (const reject of this.#waiting) reject(lost());
    this.#waiting.clear();
  }

  /** Events come late; a WebGL context knows at once. */
  get #gone(): boolean {
    const { gl } = this.#renderer.backend as { gl?: WebGL2RenderingContext };
    return this.#lost || gl?.isContextLost() === true;
  }

  #watch(renderer: Renderer): void {
    const told = renderer.onDeviceLost;
    renderer.onDeviceLost = (info) => {
      told.call(renderer, info);
      this.#lose();
      // A WebGL context comes back by an event of the canvas.
      if (info.api === 'WebGPU') void this.#renew();
    };
  }

  async #renew(): Promise<void> {
    if (this.#returns++ >= MOST_RETURNS) return;
    try {
      const renderer = await this.#make();
      // What it held is gone with the graphics; only its listeners are left.
      const old = this.#renderer;
      this.#renderer = renderer;
      this.#cameras = new TableCameras(renderer);
      this.#watch(renderer);
      renderer.setPixelRatio(this.#ratio);
      renderer.setSize(...this.#size);
      this.#lost = false;
      if (this.#last) renderer.render(...this.#last);
      old.onDeviceLost = () => undefined;
    } catch {
      // It stays lost, which every observation says.
    }
  }
}
