/** The SO-101 at the table: MuJoCo, moved by targets of its joints. */
import { ModelError } from '../../base/errors.ts';
import type { Layout } from '../layout.ts';
import type { ObjectName, Vector } from '../objects.ts';
import { HAND, Physics, type Mujoco } from '../physics.ts';
import { substepsOf, type PathPoint, type Pose, type Snapshot, type World } from '../world.ts';
import { LINKS } from './figures.ts';
import { GRASP, pointOf, poseOf, solve } from './kinematics.ts';
import { so101Xml, TIMESTEP } from './mjcf.ts';
import { fromRadians, SO101_LIMITS, SO101_PROFILE, toRadians } from './profile.ts';
import { openingAt } from './shapes.ts';
import { LEAN, OPEN, ROLL } from './stance.ts';

const JOINTS = LINKS.length;
/** Of the tool in a period and along an axis, metres: about 0.2 m/s, as people steer such an arm. */
const TOOL_STEP = 0.007;
/** Of a joint in a period, radians: half of what its servo manages. */
const FASTEST_TURN = 0.08;

export class So101World implements World {
  readonly robot = 'so101';
  readonly layout: Layout;
  readonly profile = SO101_PROFILE;
  readonly limits = SO101_LIMITS;
  readonly timestep = TIMESTEP;
  readonly dropHeight = 0.022;
  readonly heldWithin = 0.02;
  readonly #physics: Physics;
  /** Of the joints, radians: where the servos are told to be at the end of the period, and what they were told before. */
  #target: readonly number[];
  #glide: { readonly from: readonly number[]; readonly done: number };

  constructor(mujoco: Mujoco, layout: Layout) {
    this.layout = layout;
    const objects = layout.objects.map(({ name }) => name);
    const links = LINKS.map((link) => link.body);
    this.#physics = new Physics(mujoco, so101Xml(layout), ['base', ...links, ...objects]);
    const [x, y] = layout.gripper;
    const closing = Math.PI / 2 + Math.atan2(y, x + 0.2);
    const { angles } = solve({ point: layout.gripper, lean: LEAN, closing }, [0, -0.3, 0.3, 1, ROLL]);
    this.#target = [...angles, toRadians([0, 0, 0, 0, 0, OPEN])[5]!];
    this.#glide = { from: this.#target, done: substepsOf(this) };
    this.#physics.data.qpos.set(this.#target);
    this.#physics.data.ctrl.set(this.#target);
    this.#physics.forward();
  }

  begin(action: ArrayLike<number>): void {
    if (action.length !== JOINTS || !Array.from(action).every(Number.isFinite)) {
      throw new ModelError(
        'bad-input',
        `An action of the SO-101 is ${JOINTS} finite numbers; got ${Array.from(action).join(', ')}.`,
      );
    }
    const angles = toRadians(action);
    this.#glide = { from: [...this.#physics.data.ctrl], done: 0 };
    this.#target = angles.map((angle, i) => {
      const [low, high] = LINKS[i]!.range;
      return Math.min(high, Math.max(low, angle));
    });
  }

  advance(): void {
    const { ctrl } = this.#physics.data;
    const { from, done } = this.#glide;
    const share = Math.min(1, (done + 1) / substepsOf(this));
    this.#glide = { from, done: done + 1 };
    for (let i = 0; i < JOINTS; i++) ctrl[i] = from[i]! + (this.#target[i]! - from[i]!) * share;
    this.#physics.step();
  }

  stay(): void {
    this.#target = [...this.#physics.data.ctrl];
    this.#glide = { from: this.#target, done: substepsOf(this) };
  }

  standing(): number[] {
    return fromRadians(this.#physics.data.ctrl);
  }

  state(): number[] {
    return fromRadians(this.angles);
  }

  /** Of the joints, radians. */
  get angles(): readonly number[] {
    return [...this.#physics.data.qpos.subarray(0, JOINTS)];
  }

  get toolStep(): number {
    return TOOL_STEP;
  }

  toolAction(shares: readonly number[], closing: number | null): number[] {
    const now = this.angles;
    const pose = poseOf(now);
    const at = (axis: 0 | 1 | 2) => pose.point[axis] + shares[axis]! * TOOL_STEP;
    // Half turns are the same: the near one.
    const turn = closing === null ? 0 : this.#turnTo(closing);
    const { angles } = solve(
      { point: [at(0), at(1), at(2)], lean: LEAN, closing: pose.closing + turn },
      now,
      closing === null,
    );
    const fastest = Math.max(...angles.map((angle, i) => Math.abs(angle - now[i]!)));
    const share = fastest > FASTEST_TURN ? FASTEST_TURN / fastest : 1;
    const targets = angles.map((angle, i) => now[i]! + share * (angle - now[i]!));
    return [...fromRadians([...targets, 0]).slice(0, -1), shares[6]! >= 0.5 ? OPEN : 0];
  }

  pathOf(actions: readonly (readonly number[])[]): PathPoint[] {
    return actions.map((action) => ({
      position: poseOf(toRadians(action)).point,
      open: action[JOINTS - 1]! > OPEN / 2,
    }));
  }

  misturned(closing: number | null): number {
    return closing === null ? 0 : Math.abs(this.#turnTo(closing));
  }

  /** To any side of a square thing. */
  #turnTo(closing: number): number {
    const quarter = Math.PI / 2;
    const turn = closing - poseOf(this.angles).closing;
    return turn - quarter * Math.round(turn / quarter);
  }

  get opening(): number {
    return openingAt(this.#physics.data.qpos[JOINTS - 1]);
  }

  has(name: ObjectName): boolean {
    return this.#physics.has(name);
  }

  pose(name: ObjectName | 'gripper'): Pose {
    return name === 'gripper' ? this.#toolPose() : this.link(name);
  }

  position(name: ObjectName | 'gripper'): Vector {
    return this.pose(name).position;
  }

  /** Pose of a body: an object's, or a link's of the arm. */
  link(name: string): Pose {
    return this.#physics.pose(name);
  }

  hold(name: ObjectName | 'gripper', point: Vector | null): void {
    // Whoever pulls at the hand of a geared arm moves nothing.
    this.#physics.hold(name === 'gripper' ? 'hand' : name, name === 'gripper' ? null : point, HAND);
  }

  #toolPose(): Pose {
    const { position, quaternion } = this.link('hand');
    const [w, x, y, z] = quaternion;
    const frame = [
      1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), position[0],
      2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), position[1],
      2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), position[2],
    ]; // prettier-ignore
    return { position: pointOf(frame, GRASP), quaternion };
  }

  snapshot(): Snapshot {
    return { physics: this.#physics.snapshot(), target: [...this.#target] };
  }

  restore(snapshot: Snapshot): void {
    this.#physics.restore(snapshot.physics);
    this.#target = [...snapshot.target];
    this.#glide = { from: this.#target, done: substepsOf(this) };
    this.#physics.forward();
  }

  dispose(): void {
    this.#physics.dispose();
  }
}
