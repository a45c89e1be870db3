/** The practice table drawn by three.js: one scene for the policy's cameras and for people. */
import * as THREE from 'three/webgpu';
import { mergeGeometries } from 'three/addons/utils/BufferGeometryUtils.js';
import { elbowOf, LINKS, SHOULDER, WRIST_HEIGHT } from './arm.ts';
import { GRIPPER } from './mjcf.ts';
import { OBJECTS, type Geom, type ObjectName, type Vector } from './objects.ts';
import type { AnyWorld } from './open-world.ts';
import { So101View } from './so101/view.ts';
import type { PracticeTable } from './table.ts';
import type { Pose, RobotName } from './world.ts';

/** How the table looks in one episode; varied in training, so that the policy does not depend on it. */
export interface Appearance {
  /** Factor on all light. */
  readonly light: number;
  /** Red, green and blue of the light, around 1. */
  readonly tint: Vector;
  /** sRGB */
  readonly table: number;
}

export const PLAIN: Appearance = { light: 1, tint: [1, 1, 1], table: 0xb9a58a };

export const CAMERAS = ['main', 'wrist'] as const;
export type CameraName = (typeof CAMERAS)[number];

/** Meshes on this layer are for people: the policy's cameras do not see them. */
export const PEOPLE_LAYER = 1;

// One colour space throughout: what is written as a colour is what comes out, on the screen and in the policy's images.
THREE.ColorManagement.enabled = false;

/** Movement that shows, metres and parts of a turn. */
const SEEN = 1e-4;
/** Dark discs on the table stand for shadows: they say how high something is. */
const SHADOW_OPACITY = 0.3;

export class TableView {
  readonly scene = new THREE.Scene();
  readonly #main: THREE.PerspectiveCamera;
  readonly #wrist: THREE.PerspectiveCamera;
  readonly #sky = new THREE.HemisphereLight(0xffffff, 0x9a938a, 1.9);
  readonly #sun = new THREE.DirectionalLight(0xffffff, 1.6);
  readonly #table: THREE.Mesh<THREE.BoxGeometry, THREE.MeshLambertMaterial>;
  /** What belongs to the table's own robot, and what to the SO-101: one of them is shown. */
  readonly #own = new THREE.Group();
  readonly #so101 = new So101View();
  #robot: RobotName = 'gripper';
  readonly #gripper = new THREE.Group();
  readonly #fingers: readonly [THREE.Group, THREE.Group];
  readonly #upperArm: THREE.Mesh;
  readonly #foreArm: THREE.Mesh;
  readonly #elbow: THREE.Mesh;
  readonly #objects = new Map<ObjectName, THREE.Group>();
  readonly #shadows = new Map<string, THREE.Mesh>();
  #revision = 0;
  /** Places at the last movement that could be seen. */
  #last: number[] = [];

  constructor() {
    this.scene.background = new THREE.Color(0xdfe3e6);
    this.#sun.position.set(0.4, -0.5, 1.2);
    this.scene.add(this.#sky, this.#sun);
    this.#table = new THREE.Mesh(
      new THREE.BoxGeometry(0.62, 0.78, 0.03),
      new THREE.MeshLambertMaterial({ color: PLAIN.table }),
    );
    this.#table.position.set(-0.02, 0, -0.015);
    this.scene.add(this.#table);
    for (const side of [-1, 1]) {
      const line = new THREE.Mesh(
        new THREE.PlaneGeometry(0.34, 0.004),
        new THREE.MeshLambertMaterial({ color: 0xf7f3ea }),
      );
      line.position.set(0, side * 0.165, 0.0006);
      this.scene.add(line);
    }

    const metal = new THREE.MeshLambertMaterial({ color: 0xe8eaed });
    const joint = new THREE.MeshLambertMaterial({ color: 0x545b66 });
    const pedestal = new THREE.Mesh(new THREE.CylinderGeometry(0.045, 0.055, SHOULDER[2], 20), joint);
    pedestal.rotation.x = Math.PI / 2;
    pedestal.position.set(SHOULDER[0], SHOULDER[1], SHOULDER[2] / 2);
    const shoulder = new THREE.Mesh(new THREE.SphereGeometry(0.036, 16, 12), metal);
    shoulder.position.set(...SHOULDER);
    this.#upperArm = new THREE.Mesh(new THREE.CylinderGeometry(0.02, 0.026, LINKS[0], 14), metal);
    this.#foreArm = new THREE.Mesh(new THREE.CylinderGeometry(0.015, 0.02, LINKS[1], 14), metal);
    this.#elbow = new THREE.Mesh(new THREE.SphereGeometry(0.026, 16, 12), joint);
    this.#own.add(pedestal, shoulder, this.#upperArm, this.#foreArm, this.#elbow);
    this.#so101.group.visible = false;
    this.scene.add(this.#own, this.#so101.group);

    this.#gripper.add(...meshesOf(GRIPPER.palm));
    const finger = (side: number) => {
      const group = new THREE.Group();
      group.add(...meshesOf(GRIPPER.finger(side)));
      this.#own.add(group);
      return group;
    };
    this.#fingers = [finger(-1), finger(1)];
    this.#own.add(this.#gripper);
    this.#addShadow('gripper', 0.03);

    const main = new THREE.PerspectiveCamera(36, 1, 0.05, 4);
    main.up.set(0, 0, 1);
    main.position.set(0.5, 0, 0.46);
    main.lookAt(0.005, 0, 0);
    const wrist = new THREE.PerspectiveCamera(64, 1, 0.01, 4);
    wrist.up.set(-1, 0, 0);
    wrist.position.set(0.062, 0, 0.1);
    wrist.lookAt(0.004, 0, -0.02);
    this.#gripper.add(wrist);
    this.#main = main;
    this.#wrist = wrist;
  }

  /** What the robot that is shown sees with. */
  get cameras(): Readonly<Record<CameraName, THREE.PerspectiveCamera>> {
    return { main: this.#main, wrist: this.#robot === 'so101' ? this.#so101.wrist : this.#wrist };
  }

  setAppearance({ light, tint, table }: Appearance): void {
    this.#sky.intensity = 1.9 * light;
    this.#sun.intensity = 1.6 * light;
    this.#sky.color.setRGB(...tint);
    this.#sun.color.setRGB(...tint);
    this.#table.material.color.setHex(table);
  }

  /** Takes everything's place from the physics. @returns whether anything moved enough to be seen */
  sync(table: AnyWorld): boolean {
    const wanted = table.layout.objects.map(({ name }) => name);
    // What is not there is hidden, not thrown away: making it again costs more than a frame.
    for (const [name, group] of this.#objects) {
      group.visible = wanted.includes(name);
      this.#shadows.get(name)!.visible = group.visible;
    }
    for (const name of wanted) {
      if (!this.#objects.has(name)) this.#add(name);
      place(this.#objects.get(name)!, table.pose(name));
      this.#dropShadow(name, table.position(name), OBJECTS[name].restHeight);
    }
    this.#robot = table.robot;
    this.#own.visible = table.robot === 'gripper';
    this.#so101.group.visible = table.robot === 'so101';
    if (table.robot === 'so101') this.#so101.sync(table);
    else this.#syncOwn(table);
    this.#dropShadow('gripper', table.position('gripper'), 0);
    return this.#moved();
  }

  #syncOwn(table: PracticeTable): void {
    const tool = table.pose('gripper');
    place(this.#gripper, tool);
    place(this.#fingers[0], table.pose('finger -1'));
    place(this.#fingers[1], table.pose('finger 1'));
    const wrist: Vector = [tool.position[0], tool.position[1], tool.position[2] + WRIST_HEIGHT];
    const elbow = elbowOf(wrist);
    this.#elbow.position.set(...elbow);
    stretch(this.#upperArm, SHOULDER, elbow);
    stretch(this.#foreArm, elbow, wrist);
  }

  #moved(): boolean {
    const arm = this.#robot === 'so101' ? this.#so101.nodes : [this.#gripper, ...this.#fingers];
    const nodes = [...arm, ...this.#objects.values()];
    const now = nodes.flatMap(({ position, quaternion, visible }) =>
      visible ? [...position.toArray(), ...quaternion.toArray()] : [],
    );
    const before = this.#last;
    const moved = now.length !== before.length || now.some((value, i) => Math.abs(value - before[i]!) > SEEN);
    if (moved) {
      this.#last = now;
      this.#revision++;
    }
    return moved;
  }

  /** Counts the movements that could be seen. */
  get revision(): number {
    return this.#revision;
  }

  /** The drawn object, to be picked by a pointer. */
  object(name: ObjectName | 'gripper'): THREE.Object3D | undefined {
    if (name !== 'gripper') return this.#objects.get(name);
    return this.#robot === 'so101' ? this.#so101.hand : this.#gripper;
  }

  dispose(): void {
    this.scene.traverse((node) => {
      if (!(node instanceof THREE.Mesh)) return;
      const { geometry, material } = node as THREE.Mesh<THREE.BufferGeometry, THREE.Material>;
      geometry.dispose();
      material.dispose();
    });
  }

  #add(name: ObjectName): void {
    const group = new THREE.Group();
    group.name = name;
    group.add(...meshesOf(OBJECTS[name].geoms));
    this.#objects.set(name, group);
    this.scene.add(group);
    this.#addShadow(name, OBJECTS[name].radius * 1.08);
  }

  #addShadow(name: string, radius: number): void {
    const shadow = new THREE.Mesh(
      new THREE.CircleGeometry(radius, 24),
      new THREE.MeshBasicMaterial({
        color: 0x201a12,
        transparent: true,
        opacity: SHADOW_OPACITY,
        depthWrite: false,
      }),
    );
    this.#shadows.set(name, shadow);
    this.scene.add(shadow);
  }

  #dropShadow(name: string, [x, y, z]: Vector, rest: number): void {
    const shadow = this.#shadows.get(name)!;
    const height = Math.max(0, z - rest);
    shadow.position.set(x, y, 0.001);
    (shadow.material as THREE.MeshBasicMaterial).opacity = SHADOW_OPACITY / (1 + 6 * height);
    shadow.scale.setScalar(1 + 1.5 * height);
    shadow.visible = z > -0.01;
  }
}

/** One mesh per colour: drawing costs by the mesh. */
function meshesOf(geoms: readonly Geom[]): THREE.Mesh[] {
  const colors = [...new Set(geoms.map(({ color }) => color))];
  return colors.map((color) => {
    const parts = geoms.filter((geom) => geom.color === color).map(geometryOf);
    return new THREE.Mesh(mergeGeometries(parts), new THREE.MeshLambertMaterial({ color }));
  });
}

function geometryOf({ type, size, position, yaw = 0 }: Geom): THREE.BufferGeometry {
  const [a, b, c] = size as [number, number, number];
  const geometry =
    type === 'box'
      ? new THREE.BoxGeometry(2 * a, 2 * b, 2 * c)
      : // three's cylinders stand along y, MuJoCo's along z.
        new THREE.CylinderGeometry(a, a, 2 * b, 28).rotateX(Math.PI / 2);
  return geometry.rotateZ(yaw).translate(...position);
}

function place(node: THREE.Object3D, pose: Pose): void {
  const [w, x, y, z] = pose.quaternion;
  node.position.set(...pose.position);
  node.quaternion.set(x, y, z, w);
}

const UP = new THREE.Vector3(0, 1, 0);

/** Lays a cylinder from one point to another; its length was made for it. */
function stretch(mesh: THREE.Mesh, from: Vector, to: Vector): void {
  const direction = new THREE.Vector3(to[0] - from[0], to[1] - from[1], to[2] - from[2]);
  mesh.position.set((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, (from[2] + to[2]) / 2);
  mesh.quaternion.setFromUnitVectors(UP, direction.normalize());
}
