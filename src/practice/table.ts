/** The practice table's physics: MuJoCo, stepped by actions of LIBERO's form. */
import { ModelError } from '../base/errors.ts';
import type { Layout } from './layout.ts';
import { FINGER_TRAVEL, mjcf, REACH, SUBSTEPS, TIMESTEP } from './mjcf.ts';
import { type ObjectName, type Vector } from './objects.ts';
import { HAND, Physics, type Mujoco, type Spring } from './physics.ts';
import { TABLE_LIMITS, TABLE_PROFILE } from './table-profile.ts';
import type { PathPoint, Pose, Snapshot, World } from './world.ts';
import { MAX_ROTATION, MAX_TRANSLATION } from './units.ts';

/** The commanded point never runs further ahead of the gripper than this, metres. */
const LEASH = 0.03;
/** Somebody at the gripper. */
const GRIP: Spring = { stiffness: 900, damping: 10, most: 90 };

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
  readonly heldWithin = 0.012;
  readonly #physics: Physics;
  /** Commanded x, y, z, yaw, finger. */
  #target: number[];
  /** The command before, and physics steps since the last one. */
  #glide: { readonly from: readonly number[]; readonly done: number };

  constructor(mujoco: Mujoco, layout: Layout) {
    this.layout = layout;
    const objects = layout.objects.map(({ name }) => name);
    this.#physics = new Physics(mujoco, mjcf(layout), ['gripper', 'finger -1', 'finger 1', ...objects]);
    const [x, y, z] = layout.gripper;
    this.#target = [x, y, z, 0, FINGER_TRAVEL];
    this.#glide = { from: this.#target, done: SUBSTEPS };
    const { qpos, ctrl } = this.#physics.data;
    qpos.set([x, y, z, 0, FINGER_TRAVEL, FINGER_TRAVEL]);
    ctrl.set(this.#target);
    this.#physics.forward();
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
    const { qpos } = this.#physics.data;
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
    const { ctrl } = this.#physics.data;
    const { from, done } = this.#glide;
    const share = Math.min(1, (done + 1) / SUBSTEPS);
    this.#glide = { from, done: done + 1 };
    // The command glides, so that nothing is jerked.
    for (let axis = 0; axis < 4; axis++)
      ctrl[axis] = from[axis]! + (this.#target[axis]! - from[axis]!) * share;
    ctrl[4] = this.#target[4]!;
    this.#physics.step();
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
    this.#target = [...this.#physics.data.ctrl];
    this.#glide = { from: this.#target, done: SUBSTEPS };
  }

  standing(): number[] {
    return [0, 0, 0, 0, 0, 0, this.#target[4]! > 0 ? 1 : 0];
  }

  /** Draws an object towards a point [m] like a spring, as a hand would; null lets go. */
  hold(name: ObjectName | 'gripper', point: Vector | null): void {
    this.#physics.hold(name, point, name === 'gripper' ? GRIP : HAND);
  }

  has(name: ObjectName): boolean {
    return this.#physics.has(name);
  }

  /** Pose of an object, of `gripper` (its tool centre point) or of `finger ±1`. */
  pose(name: ObjectName | 'gripper' | 'finger -1' | 'finger 1'): Pose {
    return this.#physics.pose(name);
  }

  position(name: ObjectName | 'gripper'): Vector {
    return this.pose(name).position;
  }

  /** Distance of one finger from the middle, metres. */
  get opening(): number {
    return (this.#physics.data.qpos[4]! + this.#physics.data.qpos[5]!) / 2;
  }

  /** LIBERO's proprio [8]: position, axis-angle, the two fingers (metres, radians; the right finger counts down). */
  state(): number[] {
    const { qpos } = this.#physics.data;
    const [x, y, z] = this.position('gripper');
    return [x, y, z, 0, 0, qpos[3]!, qpos[5]!, -qpos[4]!];
  }

  snapshot(): Snapshot {
    return { physics: this.#physics.snapshot(), target: [...this.#target] };
  }

  restore(snapshot: Snapshot): void {
    this.#physics.restore(snapshot.physics);
    this.#target = [...snapshot.target];
    this.#glide = { from: this.#target, done: SUBSTEPS };
    this.#physics.forward();
  }

  dispose(): void {
    this.#physics.dispose();
  }
}
