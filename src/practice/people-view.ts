/** How people see the table: a camera that can be turned, what a pointer points at, and the path to come. */
import * as THREE from 'three/webgpu';
import type { ObjectName, Vector } from './objects.ts';
import { PEOPLE_LAYER, type TableView } from './view.ts';
import type { PathPoint } from './world.ts';

const ELEVATION = [0.15, 1.5] as const;
const DISTANCE = [0.45, 1.8] as const;

export class PeopleCamera {
  readonly camera = new THREE.PerspectiveCamera(36, 1, 0.02, 6);
  /** With the distance below the whole table is in the picture, and the whole arm. */
  readonly #center = new THREE.Vector3(-0.02, 0, 0.1);
  #azimuth = 0.55;
  #elevation = 0.62;
  #distance = 1.5;
  #size = { width: 1, height: 1 };
  readonly #ray = new THREE.Raycaster();

  constructor() {
    this.camera.up.set(0, 0, 1);
    this.camera.layers.enable(PEOPLE_LAYER);
    this.#place();
  }

  resize(width: number, height: number): void {
    this.#size = { width, height };
    this.camera.aspect = width / height;
    // Upright pictures (phones) show as much of the table's width as wide ones.
    this.camera.fov = width < height ? 45 : 36;
    this.camera.updateProjectionMatrix();
  }

  orbit(azimuth: number, elevation: number, zoom: number): void {
    this.#azimuth += azimuth;
    this.#elevation = clamp(this.#elevation + elevation, ELEVATION);
    this.#distance = clamp(this.#distance * zoom, DISTANCE);
    this.#place();
  }

  /** Around the vertical, radians; at 0 the table's −x leads away from the viewer, and its +y to the right. */
  get azimuth(): number {
    return this.#azimuth;
  }

  /** The first of `names` under a point of the picture, in pixels. */
  pick(
    view: TableView,
    names: readonly (ObjectName | 'gripper')[],
    x: number,
    y: number,
  ): ObjectName | 'gripper' | null {
    this.#aim(x, y);
    let nearest: { name: ObjectName | 'gripper'; distance: number } | null = null;
    for (const name of names) {
      const [hit] = this.#ray.intersectObject(view.object(name)!, true);
      if (hit && hit.distance < (nearest?.distance ?? Infinity)) nearest = { name, distance: hit.distance };
    }
    return nearest?.name ?? null;
  }

  /** Where the line of sight through a pixel meets the plane of that height. */
  onPlane(x: number, y: number, height: number): Vector | null {
    this.#aim(x, y);
    const point = this.#ray.ray.intersectPlane(
      new THREE.Plane(new THREE.Vector3(0, 0, 1), -height),
      new THREE.Vector3(),
    );
    return point && [clamp(point.x, [-0.3, 0.3]), clamp(point.y, [-0.35, 0.35]), height];
  }

  /** Where in the picture a place is, pixels; null where it is out of the picture. */
  project(place: Vector): { x: number; y: number } | null {
    const { x, y, z } = new THREE.Vector3(...place).project(this.camera);
    if (Math.max(Math.abs(x), Math.abs(y), Math.abs(z)) > 1) return null;
    const { width, height } = this.#size;
    return { x: ((1 + x) * width) / 2, y: ((1 - y) * height) / 2 };
  }

  #aim(x: number, y: number): void {
    const { width, height } = this.#size;
    this.#ray.setFromCamera(new THREE.Vector2((2 * x) / width - 1, 1 - (2 * y) / height), this.camera);
  }

  #place(): void {
    const flat = this.#distance * Math.cos(this.#elevation);
    this.camera.position.set(
      this.#center.x + flat * Math.cos(this.#azimuth),
      this.#center.y + flat * Math.sin(this.#azimuth),
      this.#center.z + this.#distance * Math.sin(this.#elevation),
    );
    this.camera.lookAt(this.#center);
    this.camera.updateMatrixWorld();
  }
}

/** A chunk of actions as beads along the way the gripper would take; dark where it closes. */
export class PathLine {
  readonly object = new THREE.Group();
  readonly #open = new THREE.MeshBasicMaterial({ color: 0x0a6fd0, transparent: true, opacity: 0.75 });
  readonly #closed = new THREE.MeshBasicMaterial({ color: 0xc2410c, transparent: true, opacity: 0.85 });
  readonly #bead = new THREE.SphereGeometry(0.0045, 12, 8);

  show(path: readonly PathPoint[] | null): void {
    this.object.visible = path !== null;
    path?.forEach(({ position, open }, i) => {
      const bead = this.#beadAt(i);
      bead.position.set(...position);
      bead.material = open ? this.#open : this.#closed;
    });
    this.object.children.forEach((child, i) => (child.visible = i < (path?.length ?? 0)));
  }

  #beadAt(index: number): THREE.Mesh {
    while (this.object.children.length <= index) {
      const bead = new THREE.Mesh(this.#bead, this.#open);
      bead.layers.set(PEOPLE_LAYER);
      this.object.add(bead);
    }
    return this.object.children[index] as THREE.Mesh;
  }
}

function clamp(value: number, [low, high]: readonly [number, number]): number {
  return Math.min(high, Math.max(low, value));
}
