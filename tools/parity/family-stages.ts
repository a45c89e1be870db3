/** Stages that only some families have, made of what a traced run recorded. */
import { bridgeRopeTables } from '../../src/model/heads/bridge-segments.ts';
import { logitsSegment } from '../../src/model/network/language-segments.ts';
import { imageTokens } from '../../src/model/network/vision.ts';
import type { Bits } from '../../src/model/network/storage-encoding.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import type { Policy } from '../../src/model/policy/policy.ts';
import { layoutSequence } from '../../src/model/policy/sequence.ts';
import type { Limit } from './compare.ts';
import type { GoldenTensors } from './golden.ts';
import { joined, type Recorder } from './recorder.ts';
import { EXACT, limitFor } from './tolerances.ts';

export type Values = Map<string, ArrayLike<number>>;

/** Heads of VLA-Adapter's attention. */
const BRIDGE_HEADS = 8;

/** VLA-Adapter: hidden states of all layers stacked, the head's zero input, Pro's rotary tables. */
export function fillBridge(values: Values, limits: Map<string, Limit>, config: PolicyConfig): void {
  const { network, profile, bridge } = config;
  const { hidden, layers } = network.language;
  const patches = imageTokens(network, profile.images.length);
  const states = Array.from({ length: layers + 1 }, (_, i) =>
    Float32Array.from(values.get(`multi_layer_hidden_states/${i}`)!),
  );
  values.set('multi_layer_hidden_states', joined(states));
  values.set('actions_hidden_states', states.at(-1)!.slice(patches * hidden));
  const { chunkSize, actions } = profile;
  values.set('action_head/in', new Float32Array(chunkSize * actions.length * hidden));
  limits.set('action_head/in', EXACT);
  const total = patches + bridge!.queries;
  const task = Math.min(bridge!.taskTokens, total);
  for (const [name, length] of Object.entries({ self: chunkSize, adapter: total - task + 1, task })) {
    const { cos, sin } = bridgeRopeTables(length, hidden / BRIDGE_HEADS);
    values.set(`action_head/block0.rope_cos/${name}`, cos);
    values.set(`action_head/block0.rope_sin/${name}`, sin);
  }
}

/** The original OpenVLA: every step's states, the caches, and the logits of the whole prompt. */
export async function fillGeneration(
  values: Values,
  limits: Map<string, Limit>,
  io: GoldenTensors,
  config: PolicyConfig,
  policy: Policy,
  recorder: Recorder,
  { promptIds, bits }: { readonly promptIds: readonly number[]; readonly bits: Bits },
): Promise<void> {
  const { hidden, layers, kvHeads, heads } = config.network.language;
  const width = (hidden / heads) * kvHeads;
  const lastRow = (stage: string) => recorder.first(stage)!.slice(-hidden);
  const steps = (stage: string) => joined(recorder.all(`decode/${stage}`));
  for (let i = 0; i < layers; i++) {
    values.set(`decode/layer${i}`, joined([lastRow(`llm/layer${i}`), steps(`layer${i}`)]));
    for (const part of ['key', 'value']) {
      const byHeads = (data: Float32Array) => headsFirst(data, kvHeads, width);
      values.set(`kv/prefill/layer${i}/${part}`, byHeads(recorder.first(`llm/layer${i}.${part}`)!));
      values.set(`kv/final/layer${i}/${part}`, byHeads(recorder.all(`decode/layer${i}.${part}`).at(-1)!));
    }
  }
  values.set('decode/final_norm', joined([lastRow('llm/final_norm'), steps('final_norm')]));
  values.set('logits', joined(recorder.all('logits')));
  const states = recorder.first('llm/final_norm')!;
  const tensor = policy.runtime.upload(states, [1, states.length / hidden, hidden]);
  const { logits } = await policy.network.run([logitsSegment()], 1, { states: tensor }, ['logits']);
  values.set('logits_prefill', await policy.runtime.read(logits!));
  for (const own of [tensor, logits!]) own.dispose();

  const ids = Array.from(values.get('predicted_token_ids')!);
  const prompt = layoutSequence(promptIds, config).inputIds;
  const bins = config.actionBins - 1;
  const exact: Record<string, readonly number[]> = {
    generated_ids: [...prompt, ...ids],
    discretized_actions: ids.map((id) => Math.min(bins - 1, Math.max(0, config.tokens.vocabulary - id - 1))),
  };
  for (const [stage, data] of Object.entries(exact)) {
    values.set(stage, data);
    limits.set(stage, bits === 32 ? EXACT : limitFor('', bits));
  }
  if (bits !== 32) return;
  // Midpoints of bins, and nothing else: they are exact, or they are another bin's.
  for (const stage of ['normalized_actions', 'actions']) {
    if (io.has(stage)) limits.set(stage, { measure: 'absolute', limit: 1e-12 });
  }
}

/** [T, heads · D] → [heads, T, D] */
function headsFirst(data: Float32Array, heads: number, width: number): Float32Array {
  const headDim = width / heads;
  const length = data.length / width;
  return Float32Array.from({ length: data.length }, (_, i) => {
    const head = Math.floor(i / (length * headDim));
    const row = Math.floor(i / headDim) % length;
    return data[row * width + head * headDim + (i % headDim)]!;
  });
}
