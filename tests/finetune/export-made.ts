/** Made-up bases and trained states, for property tests. */
import * as fc from 'fast-check';
import type { ExportBase } from '../../src/model/finetune/export-checkpoint.ts';
import { moduleShapes } from '../../src/model/policy/module-shapes.ts';
import type { HostTensor, TrainedState } from '../../src/model/finetune/trained.ts';
import type { PolicyConfig } from '../../src/model/policy/config.ts';
import { randomFloats } from '../setup/compare.ts';

/** A base that is no network, with every kind of layer that LoRA reaches. */
export interface Made {
  readonly base: ExportBase;
  readonly shapes: Map<string, readonly number[]>;
  readonly state: TrainedState;
}

/** The same numbers for every statistic of `size` dimensions. */
function field(size: number): Record<string, number[]> {
  const numbers = randomFloats(size, 3);
  return Object.fromEntries(['mean', 'std', 'min', 'max', 'q01', 'q99'].map((key) => [key, [...numbers]]));
}

const dims = fc.integer({ min: 1, max: 7 });
/** Any shapes, head, FiLM and targets. */
export const madeStates: fc.Arbitrary<Made> = fc
  .record({
    hidden: dims,
    vision: dims,
    patch: fc.integer({ min: 1, max: 3 }),
    depth: fc.integer({ min: 2, max: 3 }),
    vocabulary: fc.integer({ min: 3, max: 12 }),
    r: dims,
    alpha: fc.double({ min: 0.125, max: 64, noNaN: true }),
    dropout: fc.constantFrom(0, 0.05, 0.5),
    head: fc.constantFrom('l1' as const, 'diffusion' as const, 'discrete' as const),
    actions: dims,
    state: fc.option(dims),
    film: fc.boolean(),
    lora: fc.constantFrom('all' as const, 'language-model' as const, 'none' as const),
    step: fc.nat(10_000_000),
    run: fc.stringMatching(/^[a-z0-9+][a-z0-9+_.-]{0,20}$/),
    seed: fc.nat(1000),
  })
  .map(({ hidden, vision, patch, depth, vocabulary, r, film, lora, seed, ...given }) => {
    const vit = 'vision_backbone.featurizer';
    const shapes = new Map<string, readonly number[]>([
      [`${vit}.patch_embed.proj.weight`, [vision, 3, patch, patch]],
      [`${vit}.patch_embed.proj.bias`, [vision]],
      [`${vit}.pos_embed`, [1, 4, vision]],
      ['projector.fc1.weight', [hidden, vision]],
      ['projector.fc1.bias', [hidden]],
      ['language_model.model.embed_tokens.weight', [vocabulary, hidden]],
      ['language_model.model.layers.0.mlp.gate_proj.weight', [hidden + 2, hidden]],
      ['language_model.model.norm.weight', [hidden]],
      ['language_model.lm_head.weight', [vocabulary, hidden]],
    ]);
    for (let block = 0; block < depth; block++) {
      shapes.set(`${vit}.blocks.${block}.attn.qkv.weight`, [3 * vision, vision]);
      shapes.set(`${vit}.blocks.${block}.attn.qkv.bias`, [3 * vision]);
      shapes.set(`${vit}.blocks.${block}.norm1.weight`, [vision]);
    }
    const config = {
      network: {
        vits: [{ prefix: vit, dim: vision, depth, film, imageSize: 2 * patch }],
        language: { kind: 'llama', hidden, vocabulary, layers: 1, heads: 1, kvHeads: 1 },
      },
      head: given.head,
      profile: {
        chunkSize: 2,
        images: [],
        actions: Array.from({ length: given.actions }, () => ({})),
        state: given.state === null ? null : Array.from({ length: given.state }, () => ({})),
      },
      preprocessor: { input_sizes: [[3, 2, 2]] },
      statistics: {},
    } as unknown as PolicyConfig;
    let at = seed;
    const random = (shape: readonly number[]): HostTensor => ({
      shape,
      data: randomFloats(
        shape.reduce((product, dim) => product * dim, 1),
        at++,
      ),
    });
    const targets = [...shapes].filter(
      ([key, shape]) =>
        lora !== 'none' &&
        shape.length % 2 === 0 &&
        !key.includes('embed_tokens') &&
        (lora === 'all' || key.startsWith('language_model.model.')),
    );
    const adapters = new Map(
      targets.map(([key, [out = 0, ...inner]]) => [
        key.replace(/\.weight$/, ''),
        { a: random([r, ...inner]), b: random([out, r, ...inner.slice(1).map(() => 1)]) },
      ]),
    );
    const proprio = config.profile.state ? { proprio: field(config.profile.state.length) } : {};
    const state: TrainedState = {
      run: given.run,
      step: given.step,
      own: null,
      lora:
        lora === 'none'
          ? null
          : {
              r,
              alpha: given.alpha,
              dropout: given.dropout,
              targetModules:
                lora === 'all'
                  ? ['gate_proj', 'lm_head', 'proj', 'qkv', 'fc1'].toSorted()
                  : [...adapters.keys()],
            },
      adapters,
      modules: new Map([...moduleShapes(config)].map(([key, shape]) => [key, random(shape)])),
      statistics: { any_dataset: { action: field(given.actions), ...proprio, num_trajectories: 3 } },
    };
    const names = [...shapes.keys()];
    const source = {
      names,
      shapeOf: (key: string) => shapes.get(key)!,
      byteLengthOf: (key: string) => 4 * shapes.get(key)!.reduce((product, dim) => product * dim, 1),
      load: async (key: string) => {
        const { shape, data } = random(shapes.get(key)!);
        return {
          name: key,
          shape,
          encoding: 'f32' as const,
          data: new Uint8Array(data.buffer as ArrayBuffer),
        };
      },
    };
    return { base: { config, source, name: 'a base' }, shapes, state };
  });
