/** Questions about the tensors of a checkpoint, by name and shape. */
import { ModelError } from '../../base/errors.ts';
import type { Shape } from '../graph/types.ts';

/** Tensor name → shape. */
export type Shapes = ReadonlyMap<string, Shape>;

/** @throws ModelError `missing-tensor` */
export function shapeOf(shapes: Shapes, name: string): Shape {
  const shape = shapes.get(name);
  if (!shape) {
    throw new ModelError(
      'missing-tensor',
      `The checkpoint lacks "${name}".`,
      'Is it a complete checkpoint of OpenVLA, OpenVLA-OFT or VLA-Adapter?',
    );
  }
  return shape;
}

/** How many blocks there are under `prefix`. @throws ModelError `missing-tensor` for none */
export function countBlocks(shapes: Shapes, prefix: string): number {
  const indices = new Set<number>();
  for (const name of shapes.keys()) {
    if (name.startsWith(`${prefix}.`)) indices.add(Number(name.slice(prefix.length + 1).split('.')[0]));
  }
  if (indices.size === 0)
    throw new ModelError('missing-tensor', `The checkpoint has no tensors under "${prefix}".`);
  return indices.size;
}
