/** The SO-101 drawn: its links' shapes, and the camera at its hand. */
import * as THREE from 'three/webgpu';
import { mergeGeometries } from 'three/addons/utils/BufferGeometryUtils.js';
import { TIP } from './figures.ts';
import { SHAPES, type Shape } from './shapes.ts';
import type { So101World } from './world.ts';

export class So101View {
  readonly group = new THREE.Group();
  readonly wrist = new THREE.PerspectiveCamera(70, 1, 0.01, 4);
  readonly #links = new Map<string, THREE.Group>();

  constructor() {
    for (const [body, shapes] of Object.entries(SHAPES)) {
      const link = new THREE.Group();
      link.add(...meshesOf(shapes));
      this.#links.set(body, link);
      this.group.add(link);
    }
    // Beside the servo of the hand, looking along the jaws.
    this.wrist.up.set(0, -1, 0);
    this.wrist.position.set(0.008, 0.06, -0.012);
    this.wrist.lookAt(TIP[0] + 0.02, -0.004, TIP[2] - 0.01);
    this.hand.add(this.wrist);
  }

  get hand(): THREE.Group {
    return this.#links.get('hand')!;
  }

  sync(world: So101World): void {
    for (const [body, link] of this.#links) {
      const { position, quaternion } = world.link(body);
      const [w, x, y, z] = quaternion;
      link.position.set(...position);
      link.quaternion.set(x, y, z, w);
    }
  }

  /** What moves. */
  get nodes(): readonly THREE.Object3D[] {
    return [...this.#links.values()];
  }
}

/** One mesh per colour: drawing costs by the mesh. */
function meshesOf(shapes: readonly Shape[]): THREE.Mesh[] {
  return [...new Set(shapes.map(({ color }) => color))].map((color) => {
    const parts = shapes.filter((shape) => shape.color === color).map(geometryOf);
    return new THREE.Mesh(mergeGeometries(parts), new THREE.MeshLambertMaterial({ color }));
  });
}

function geometryOf({ size, position, quaternion = [1, 0, 0, 0] }: Shape): THREE.BufferGeometry {
  const [a, b, c] = size as [number, number, number];
  const [w, x, y, z] = quaternion;
  return new THREE.BoxGeometry(2 * a, 2 * b, 2 * c)
    .applyQuaternion(new THREE.Quaternion(x, y, z, w))
    .translate(...position);
}
