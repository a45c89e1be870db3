import { isBound } from '../network/loaded-weights.ts';
import { patchesOf } from '../network/config.ts';
import { encodedByteLength } from '../weights/encoding.ts';
import type { Manifest, PackageFile } from '../weights/manifest.ts';
import type { PackageDemand } from './capability.ts';
import { headOf } from '../heads/index.ts';
import type { PolicyConfig } from './config.ts';

/** Text tokens of a usual prompt; only the size of activations depends on it. */
const PROMPT_TOKENS = 40;
/** Activations alive at once in a LLaMA block, in units of [tokens, hidden]: queries, keys, values, gate, up, residuals. */
const LIVE_ACTIVATIONS = 16;

/** The part of a manifest that tells; known before there are hashes. */
export interface DemandingPackage {
  readonly tensors: Manifest['tensors'];
  readonly tokenizer: Pick<PackageFile, 'byteLength'>;
  readonly shards: readonly Pick<PackageFile, 'byteLength'>[];
}

/** What a package asks of a machine, from its manifest. Weights of f16 and of modules are held as f32. */
export function demandOf(manifest: DemandingPackage, config: PolicyConfig): PackageDemand {
  const { network, profile } = config;
  let storedBytes = manifest.tokenizer.byteLength;
  for (const shard of manifest.shards) storedBytes += shard.byteLength;
  let weightBytes = 0;
  let largestTensorBytes = 0;
  let visionParameters = 0;
  let otherParameters = 0;
  for (const { name, shape, encoding } of manifest.tensors) {
    const bound = isBound(name, network, { lmHead: headOf(config).lmHead, lastBlock: false });
    const embedding = name === 'language_model.model.embed_tokens.weight';
    if (!bound && !embedding) continue;
    const bytes = encodedByteLength(shape, encoding === 'f16' && !embedding ? 'f32' : encoding);
    weightBytes += bytes;
    // Looking up a row takes no arithmetic.
    if (embedding) continue;
    largestTensorBytes = Math.max(largestTensorBytes, bytes);
    const parameters = shape.reduce((product, size) => product * size, 1);
    if (name.startsWith('vision_backbone.')) visionParameters += parameters;
    else otherParameters += parameters;
  }
  const patches = patchesOf(network.vits[0]!) * profile.images.length;
  const tokens = patches + PROMPT_TOKENS + profile.chunkSize * profile.actions.length;
  const passes = config.diffusion?.inferenceSteps ?? 1;
  const activationBytes =
    4 * tokens * (LIVE_ACTIVATIONS * network.language.hidden + network.language.heads * tokens);
  // A multiplication and an addition for each weight and token.
  const flop = 2 * (visionParameters * patches + otherParameters * tokens * passes);
  return { storedBytes, weightBytes, largestTensorBytes, activationBytes, flop };
}
