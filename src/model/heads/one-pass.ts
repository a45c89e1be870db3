import type { Tensors } from '../runtime/runtime.ts';
import type { Decoding } from './head.ts';

/** What one pass through the language model and the head predicts. */
export async function predictedIn(
  { run, runtime, actions }: Decoding,
  feeds: Tensors = {},
): Promise<Float32Array> {
  const { predicted } = await run('actions', [], { actions, ...feeds }, ['predicted']);
  try {
    return await runtime.read(predicted!);
  } finally {
    predicted!.dispose();
  }
}
