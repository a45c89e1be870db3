/** Computes a saved prediction again, in Node: the page's answer held against another runtime. */
import { PNG } from 'pngjs';
import { parsePolicyConfig } from '../../src/model/policy/config.ts';
import { createObserver } from '../../src/model/policy/observe.ts';
import { Policy } from '../../src/model/policy/policy.ts';
import { createTokenizer } from '../../src/model/policy/tokenizer.ts';
import { createNodeRuntime } from '../../src/model/runtime/node.ts';
import type { SavedPrediction } from '../../src/app/prediction/saved-prediction.ts';
import { openPackageFolder } from '../node/package-folder.ts';

export async function predictFromFile(
  saved: Pick<SavedPrediction, 'frames' | 'instruction' | 'state' | 'unnormKey' | 'seed'>,
  packageFolder: string,
): Promise<{ actions: number[][]; normalized: number[][] }> {
  const reader = await openPackageFolder(packageFolder);
  const config = parsePolicyConfig(reader.manifest.config);
  const runtime = await createNodeRuntime();
  const policy = await Policy.load(config, reader, runtime);
  try {
    const observer = createObserver(config, runtime, () => {
      throw new Error('Node has no video frames.');
    });
    const frames = saved.frames.map(({ png }) => {
      const { width, height, data } = PNG.sync.read(Buffer.from(png.slice(png.indexOf(',') + 1), 'base64'));
      return { width, height, data: new Uint8Array(data) };
    });
    const { pixels } = await observer.observe(frames);
    const { ids } = policy.promptIds(saved.instruction, await createTokenizer(await reader.tokenizer()));
    const normalized = await policy.predict({
      pixels,
      promptIds: ids,
      proprio: policy.normalizeState(saved.state, saved.unnormKey),
      seed: saved.seed ?? 0,
    });
    pixels.dispose();
    return { actions: policy.unnormalize(normalized, saved.unnormKey), normalized };
  } finally {
    await policy.dispose();
    await runtime.dispose();
  }
}
