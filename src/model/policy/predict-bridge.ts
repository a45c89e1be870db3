import { ModelError } from '../errors.ts';
import { bridgeSegments } from '../network/bridge-head.ts';
import type { Network } from '../network/network.ts';
import type { Runtime, Tensor } from '../runtime/runtime.ts';
import type { PolicyConfig } from './config.ts';
import { rowsOf } from './rows.ts';
import { actionRows, type Sequence } from './sequence.ts';
import { TensorScope } from './tensor-scope.ts';

interface Bridging {
  readonly config: PolicyConfig;
  readonly network: Network;
  readonly runtime: Runtime;
}

/**
 * VLA-Adapter's predict_action: language model and head in one go.
 * @param parts [1, n, hidden] each, zeros where the action queries go
 * @param proprio its token [1, 1, hidden], which the head cannot do without
 * @returns normalised actions [chunk][dim]
 */
export async function predictBridge(
  { config, network, runtime }: Bridging,
  sequence: Sequence,
  parts: { readonly bos: Tensor; readonly patches: Tensor; readonly text: readonly Tensor[] },
  proprio: Tensor | undefined,
): Promise<number[][]> {
  if (!proprio) {
    throw new ModelError('bad-input', 'This policy’s head needs the robot’s state.', 'Give it a state.');
  }
  const bridge = config.bridge!;
  const { chunkSize, actions } = config.profile;
  const width = actions.length * config.network.language.hidden;
  const patches = parts.patches.shape[1]!;
  const length = patches + sequence.inputIds.length;
  const scope = new TensorScope();
  try {
    const ones = placeOnes(length, bridge.queries, patches + sequence.actions.start);
    const place = scope.keep(runtime.upload(ones, [1, length, bridge.queries]));
    const zeros = new Float32Array(chunkSize * width);
    const input = scope.keep(runtime.upload(zeros, [1, chunkSize, width]));
    const rows = actionRows(sequence, patches);
    const segments = bridgeSegments(config.network, { bridge, patches, rows, traced: network.traced });
    const { predicted } = await network.decode(
      { ...parts, extra: [], placed: { place } },
      segments,
      { head_input: input, proprio },
      ['predicted'],
    );
    return rowsOf(await runtime.read(scope.keep(predicted!)), actions.length);
  } finally {
    scope.dispose();
  }
}

/** Ones [length, rows] on a diagonal from row `start`. */
function placeOnes(length: number, rows: number, start: number): Float32Array {
  const place = new Float32Array(length * rows);
  for (let row = 0; row < rows; row++) place[(start + row) * rows + row] = 1;
  return place;
}
