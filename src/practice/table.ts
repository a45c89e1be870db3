/** The practice table's physics: MuJoCo, stepped by actions of LIBERO's form. */
import type { MainModule, MjData, MjModel } from '@mujoco/mujoco';
import { ModelError } from '../model/errors.ts';
import type { Layout } from './layout.ts';
import { FINGER_TRAVEL, mjcf, REACH, SUBSTEPS, TIMESTEP } from './mjcf.ts';
import { type ObjectName, type Vector } from './objects.ts';
import { TABLE_LIMITS, TABLE_PROFILE } from './table-profile.ts';
import type { PathPoint, Pose, Snapshot, World } from './world.ts';
import { MAX_ROTATION, MAX_TRANSLATION } from './units.ts';

export type Mujoco = MainModule;

/** The commanded point never runs further ahead of the gripper than this, metres. */
const LEASH = 0.03;

/**
 * One episode's world. Actions are [x, y, z, roll, pitch, yaw, gripper]: shares of the largest step in −1…1 (roll and pitch do nothing: the
 * gripper always points down), gripper 1 open … 0 closed.
 */
export class PracticeTable implements World {
  readonly robot = 'gripper';
  readonly layout: Layout;
  readonly profile = TABLE_PROFILE;
  readonly limits = TABLE_LIMITS;
  readonly timestep = TIMESTEP;
  readonly dropHeight = 0;
  readonly #mujoco: Mujoco;
  readonly #model: MjModel;
  readonly #data: MjData;
  readonly #bodies = new Map<string, number>();
  readonly #stateSignature: number;
  readonly #buffer: InstanceType<Mujoco['DoubleBuffer']>;
  /** Commanded x, y, z, yaw, finger. */
  #target: number[];
  /** The command before, and physics steps since the last one. */
  #glide: { readonly from: readonly number[]; readonly done: number };
  #held: { readonly name: string; readonly id: number; readonly point: Vector } | null = null;

  constructor(mujoco: Mujoco, layout: Layout) {
    this.layout = layout;
    this.#mujoco = mujoco;
    this.#model = mujoco.MjModel.from_xml_string(mjcf(layout));
    this.#data = new mujoco.MjData(this.#model);
    const body = mujoco.mjtObj.mjOBJ_BODY.value;
    for (const name of ['gripper', 'finger -1', 'finger 1', ...layout.objects.map((object) => object.name)]) {
      this.#bodies.set(name, mujoco.mj_name2id(this.#model, body, name));
    }
    this.#stateSignature = mujoco.mjtState.mjSTATE_INTEGRATION.value;
    const size = mujoco.mj_stateSize(this.#model, this.#stateSignature);
    this.#buffer = new mujoco.DoubleBuffer(size);
    const [x, y, z] = layout.gripper;
    this.#target = [x, y, z, 0, FINGER_TRAVEL];
    this.#glide = { from: this.#target, done: SUBSTEPS };
    const { qpos } = this.#data;
    qpos.set([x, y, z, 0, FINGER_TRAVEL, FINGER_TRAVEL]);
    this.#data.ctrl.set(this.#target);
    mujoco.mj_forward(this.#model, this.#data);
  }

  /** One action, carried out for a tenth of a second. */
  step(action: ArrayLike<number>): void {
    this.begin(action);
    for (let i = 0; i < SUBSTEPS; i++) this.advance();
  }

  /** Commands an action; the next `SUBSTEPS` calls of `advance` carry it out. */
  begin(action: ArrayLike<number>): void {
    if (!Array.from({ length: 7 }, (_, i) => action[i]).every(Number.isFinite)) {
      throw new ModelError(
        'bad-input',
        `An action is 7 finite numbers; got ${Array.from(action).join(', ')}.`,
      );
    }
    const share = (i: number) => Math.min(1, Math.max(-1, action[i]!));
    const { qpos } = this.#data;
    const start = this.#target;
    const lead = (axis: 'x' | 'y' | 'z', i: number) => {
      const wanted = start[i]! + share(i) * MAX_TRANSLATION;
      const leashed = Math.min(qpos[i]! + LEASH, Math.max(qpos[i]! - LEASH, wanted));
      return Math.min(REACH[axis][1], Math.max(REACH[axis][0], leashed));
    };
    this.#glide = { from: start, done: 0 };
    this.#target = [
      lead('x', 0),
      lead('y', 1),
      lead('z', 2),
      Math.min(Math.PI, Math.max(-Math.PI, start[3]! + share(5) * MAX_ROTATION)),
      action[6]! >= 0.5 ? FINGER_TRAVEL : 0,
    ];
  }

  /** One physics step of `TIMESTEP` seconds. Once an action is carried out, its last command holds. */
  advance(): void {
    const { ctrl } = this.#data;
    const { from, done } = this.#glide;
    const share = Math.min(1, (done + 1) / SUBSTEPS);
    this.#glide = { from, done: done + 1 };
    // The command glides, so that nothing is jerked.
    for (let axis = 0; axis < 4; axis++)
      ctrl[axis] = from[axis]! + (this.#target[axis]! - from[axis]!) * share;
    ctrl[4] = this.#target[4]!;
    this.#pull();
    this.#mujoco.mj_step(this.#model, this.#data);
    if (!Number.isFinite(this.#data.qpos[0])) {
      throw new ModelError(
        'diverged',
        'The physics of the practice table became unstable.',
        'Reset the table.',
      );
    }
  }

  get toolStep(): number {
    return MAX_TRANSLATION;
  }

  toolAction(shares: readonly number[]): number[] {
    return [...shares];
  }

  pathOf(actions: readonly (readonly number[])[]): PathPoint[] {
    let at = this.position('gripper');
    return actions.map((action) => {
      const moved = (axis: 0 | 1 | 2) => at[axis] + action[axis]! * MAX_TRANSLATION;
      at = [moved(0), moved(1), moved(2)];
      return { position: at, open: action[6]! >= 0.5 };
    });
  }

  /** Things lie nearly straight, and the fingers close straight. */
  misturned(): number {
    return 0;
  }

  /** Goes no further than it has been commanded until now. */
  stay(): void {
    this.#target = [...this.#data.ctrl];
    this.#glide = { from: this.#target, done: SUBSTEPS };
  }

  standing(): number[] {
    return [0, 0, 0, 0, 0, 0, this.#target[4]! > 0 ? 1 : 0];
  }

  /** Draws an object towards a point [m] like a spring, as a hand would; null lets go. */
  hold(name: ObjectName | 'gripper', point: Vector | null): void {
    const id = this.#bodies.get(name);
    if (id === undefined) throw new ModelError('bad-input', `There is no ${name} on the table.`);
    this.#data.xfrc_applied.fill(0);
    this.#held = point && { name, id, point };
  }

  #pull(): void {
    if (!this.#held) return;
    const { name, id, point } = this.#held;
    const { xpos, cvel, xfrc_applied: force } = this.#data;
    const [stiffness, damping, most] = name === 'gripper' ? [900, 10, 90] : [60, 1.6, 3];
    for (let axis = 0; axis < 3; axis++) {
      // cvel is rotation first, then translation.
      const pull = stiffness * (point[axis]! - xpos[3 * id + axis]!) - damping * cvel[6 * id + 3 + axis]!;
      force[6 * id + axis] = Math.min(most, Math.max(-most, pull));
    }
  }

  has(name: ObjectName): boolean {
    return this.#bodies.has(name);
  }

  /** Pose of an object, of `gripper` (its tool centre point) or of `finger ±1`. */
  pose(name: ObjectName | 'gripper' | 'finger -1' | 'finger 1'): Pose {
    const id = this.#bodies.get(name);
    if (id === undefined) throw new ModelError('bad-input', `There is no ${name} on the table.`);
    const { xpos, xquat } = this.#data;
    return {
      position: [xpos[3 * id]!, xpos[3 * id + 1]!, xpos[3 * id + 2]!],
      quaternion: [xquat[4 * id]!, xquat[4 * id + 1]!, xquat[4 * id + 2]!, xquat[4 * id + 3]!],
    };
  }

  position(name: ObjectName | 'gripper'): Vector {
    return this.pose(name).position;
  }

  /** Distance of one finger from the middle, metres. */
  get opening(): number {
    return (this.#data.qpos[4]! + this.#data.qpos[5]!) / 2;
  }

  /** LIBERO's proprio [8]: position, axis-angle, the two fingers (metres, radians; the right finger counts down). */
  state(): number[] {
    const { qpos } = this.#data;
    const [x, y, z] = this.position('gripper');
    return [x, y, z, 0, 0, qpos[3]!, qpos[5]!, -qpos[4]!];
  }

  snapshot(): Snapshot {
    this.#mujoco.mj_getState(this.#model, this.#data, this.#buffer, this.#stateSignature);
    return { physics: [...this.#buffer.GetView()], target: [...this.#target] };
  }

  restore(snapshot: Snapshot): void {
    this.#mujoco.mj_setState(this.#model, this.#data, [...snapshot.physics], this.#stateSignature);
    this.#target = [...snapshot.target];
    this.#glide = { from: this.#target, done: SUBSTEPS };
    this.#mujoco.mj_forward(this.#model, this.#data);
  }

  dispose(): void {
    this.#buffer.delete();
    this.#data.delete();
    this.#model.delete();
  }
}
