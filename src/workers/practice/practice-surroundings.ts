import type * as THREE from 'three/webgpu';
import type { FrameImage } from '../../episodes/dataset.ts';
import type { Mujoco } from '../../practice/physics.ts';
import type { TableView } from '../../practice/view.ts';

/** What draws the picture for people. */
export type Screen = Pick<THREE.WebGPURenderer, 'setPixelRatio' | 'setSize' | 'render'>;

/** What draws what the policy sees. */
export interface Cameras {
  /** Main and wrist camera. */
  readonly observe: (view: TableView) => Promise<FrameImage[]>;
}

/** What the practice worker takes from the browser; tests bring their own. */
export interface PracticeSurroundings {
  readonly loadMujoco: () => Promise<Mujoco>;
  /** @param software the processor draws */
  readonly openScreen: (
    canvas: OffscreenCanvas,
  ) => Promise<{ readonly screen: Screen; readonly cameras: Cameras; readonly software: boolean }>;
  /** Calls back before every frame of the display, with the time in milliseconds. */
  readonly everyFrame: (draw: (now: number) => void) => void;
  /** Calls back whenever the callback's last answer says, milliseconds: drawing must not keep a robot waiting. */
  readonly everyTick: (tick: (now: number) => number) => void;
  /** Milliseconds, as in both of these. */
  readonly now: () => number;
}
