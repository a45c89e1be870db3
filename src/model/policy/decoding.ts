/** Action tokens without a head beside them: the original OpenVLA generates them, OpenVLA-OFT predicts a chunk at once. The weights look alike. */
import type { Shapes } from '../network/checkpoint-shapes.ts';

export interface Decoding {
  readonly kind: 'autoregressive' | 'parallel';
  /** What it was told from, as a sentence for people. */
  readonly reason: string;
  /** False where nothing in the files tells, and `kind` is an assumption. */
  readonly certain: boolean;
}

export interface DecodingFacts {
  readonly shapes: Shapes;
  /** config.json */
  readonly config: Readonly<Record<string, unknown>>;
  /** Statistics the policy un-normalises with, by dataset. */
  readonly statistics: Readonly<Record<string, unknown>>;
  /** modeling_prismatic.py, where the folder has it (official ones do: it is the checkpoint's own code). */
  readonly modelingCode?: string | null | undefined;
}

const parallel = (reason: string): Decoding => ({ kind: 'parallel', reason, certain: true });
const original = (reason: string): Decoding => ({ kind: 'autoregressive', reason, certain: true });

/** No file of upstream's tells whether there was a head, and single files get lost. */
const LOST_HEAD = 'if it was trained with L1 or diffusion, action_head--N_checkpoint.pt is missing';

/** Tells which of the two a checkpoint without an action head is, and from what. */
export function decodingOf({ shapes, config, statistics, modelingCode }: DecodingFacts): Decoding {
  if (modelingCode) {
    return /NUM_ACTIONS_CHUNK|_regression_or_discrete_prediction/.test(modelingCode)
      ? parallel('its modeling_prismatic.py is OpenVLA-OFT’s, which predicts a chunk at once')
      : original('its modeling_prismatic.py is the original OpenVLA’s, which generates token by token');
  }
  if ([...shapes.keys()].some((name) => name.startsWith('proprio_projector.')))
    return parallel(
      `it has a proprio projector, which the original OpenVLA has not, but no action head (${LOST_HEAD})`,
    );
  if ([...shapes.keys()].some((name) => name.endsWith('.blocks.0.scale.weight')))
    return parallel(`it has FiLM, which the original OpenVLA has not, but no action head (${LOST_HEAD})`);
  if (typeof config['vla'] === 'object' && config['vla'] !== null)
    return original('its config.json is of OpenVLA’s own training code');
  const datasets = Object.keys(statistics);
  if (datasets.length > 1)
    return original(
      `it was trained on ${datasets.length} datasets at once, as OpenVLA was, while OpenVLA-OFT fine-tunes on one`,
    );
  return {
    kind: 'parallel',
    reason:
      'it has no action head, and nothing in its files tells whether it is the original OpenVLA or OpenVLA-OFT with action tokens; ' +
      'it is taken for the latter',
    certain: false,
  };
}
