/** MuJoCo's model and state of one scene: what is the same for every robot at the table. */
import type { MainModule, MjData, MjModel } from '@mujoco/mujoco';
import { ModelError } from '../base/errors.ts';
import type { Vector } from './objects.ts';
import type { Pose } from './world.ts';

export type Mujoco = MainModule;

/** Newtons per metre, newtons per metre and second, and newtons at most along an axis. */
export interface Spring {
  readonly stiffness: number;
  readonly damping: number;
  readonly most: number;
}

/** A hand that draws an object along. */
export const HAND: Spring = { stiffness: 60, damping: 1.6, most: 3 };

export class Physics {
  readonly data: MjData;
  readonly #mujoco: Mujoco;
  readonly #model: MjModel;
  readonly #bodies = new Map<string, number>();
  readonly #stateSignature: number;
  readonly #buffer: InstanceType<Mujoco['DoubleBuffer']>;
  #held: { readonly id: number; readonly point: Vector; readonly spring: Spring } | null = null;

  /** @param bodies names of those that are asked for */
  constructor(mujoco: Mujoco, xml: string, bodies: readonly string[]) {
    this.#mujoco = mujoco;
    this.#model = mujoco.MjModel.from_xml_string(xml);
    this.data = new mujoco.MjData(this.#model);
    const body = mujoco.mjtObj.mjOBJ_BODY.value;
    for (const name of bodies) this.#bodies.set(name, mujoco.mj_name2id(this.#model, body, name));
    this.#stateSignature = mujoco.mjtState.mjSTATE_INTEGRATION.value;
    this.#buffer = new mujoco.DoubleBuffer(mujoco.mj_stateSize(this.#model, this.#stateSignature));
  }

  /** Places everything by its joints, without a step. */
  forward(): void {
    this.#mujoco.mj_forward(this.#model, this.data);
  }

  /** @throws ModelError `diverged` */
  step(): void {
    this.#pull();
    this.#mujoco.mj_step(this.#model, this.data);
    if (!Number.isFinite(this.data.qpos[0])) {
      throw new ModelError(
        'diverged',
        'The physics of the practice table became unstable.',
        'Reset the table.',
      );
    }
  }

  has(name: string): boolean {
    return this.#bodies.has(name);
  }

  /** Metres, and a unit quaternion [w, x, y, z]. @throws ModelError `bad-input` for a body that was not named */
  pose(name: string): Pose {
    const id = this.#id(name);
    const { xpos, xquat } = this.data;
    return {
      position: [xpos[3 * id]!, xpos[3 * id + 1]!, xpos[3 * id + 2]!],
      quaternion: [xquat[4 * id]!, xquat[4 * id + 1]!, xquat[4 * id + 2]!, xquat[4 * id + 3]!],
    };
  }

  /** Draws a body towards a point [m] from the next step on; null lets go. @throws ModelError `bad-input` as `pose` does */
  hold(name: string, point: Vector | null, spring: Spring): void {
    const id = this.#id(name);
    this.data.xfrc_applied.fill(0);
    this.#held = point && { id, point, spring };
  }

  /** The whole state of the simulation. */
  snapshot(): number[] {
    this.#mujoco.mj_getState(this.#model, this.data, this.#buffer, this.#stateSignature);
    return [...this.#buffer.GetView()];
  }

  restore(state: readonly number[]): void {
    this.#mujoco.mj_setState(this.#model, this.data, [...state], this.#stateSignature);
  }

  dispose(): void {
    this.#buffer.delete();
    this.data.delete();
    this.#model.delete();
  }

  #pull(): void {
    if (!this.#held) return;
    const { id, point, spring } = this.#held;
    const { xpos, cvel, xfrc_applied: force } = this.data;
    for (let axis = 0; axis < 3; axis++) {
      // cvel is rotation first, then translation.
      const pull =
        spring.stiffness * (point[axis]! - xpos[3 * id + axis]!) - spring.damping * cvel[6 * id + 3 + axis]!;
      force[6 * id + axis] = Math.min(spring.most, Math.max(-spring.most, pull));
    }
  }

  #id(name: string): number {
    const id = this.#bodies.get(name);
    if (id === undefined) throw new ModelError('bad-input', `There is no ${name} on the table.`);
    return id;
  }
}
