/** A pretraining run → a policy package: the averaged weights, without the auxiliary heads. */
import { planPackage } from '../../src/convert/plan.ts';
import { runConversion } from '../../src/convert/run-conversion.ts';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { storageEncoding, type Bits } from '../../src/model/network/storage-encoding.ts';
import type { DatasetStatistics } from '../../src/model/policy/statistics.ts';
import { sizeOf } from '../../src/model/graph/types.ts';
import { tensorFile } from '../../src/model/weights/tensor-file.ts';
import { diskTarget } from '../node/file-access.ts';
import { readAverage } from './checkpoint.ts';
import { trainedLayout } from './layout.ts';
import { initialPolicy, practiceConfig } from './practice-policy.ts';
import { tokenizerJson } from './tokenizer.ts';

/** @returns optimiser steps behind the exported weights */
export async function exportRun(options: {
  readonly run: string;
  readonly out: string;
  readonly bits: Bits;
  readonly seed: number;
  readonly statistics: DatasetStatistics;
  readonly description: string;
}): Promise<number> {
  const config = practiceConfig(options.statistics);
  const weights = initialPolicy(config, options.seed);
  const layout = trainedLayout(config, weights);
  const count = layout.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const { step, values } = readAverage(options.run, count);
  for (const { name, shape, start } of layout)
    weights.set(name, { shape, data: values.subarray(start, start + sizeOf(shape)) });
  const shipped = [...weights].filter(([name]) => !name.startsWith('auxiliary.'));
  const tensors = tensorFile(
    new Map(
      shipped.map(([name, { shape, data }]) => [
        name,
        { dtype: 'F32' as const, shape, byteLength: data.byteLength },
      ]),
    ),
    async (name, offset, length) => {
      const { data } = weights.get(name)!;
      return new Uint8Array(data.buffer, data.byteOffset + offset, length).slice();
    },
  );
  const unfinished = `${options.out}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const plan = await planPackage(
    { tensors },
    {
      name: 'Practice table policy',
      description: options.description,
      source: `npm run pretrain, ${step} steps`,
      config: { ...config },
    },
    new TextEncoder().encode(JSON.stringify(tokenizerJson())),
    { encodingOf: (name, shape) => storageEncoding(name, shape, options.bits) },
  );
  await runConversion(plan, diskTarget(unfinished));
  // The model card is written by people; it has to be brought up to date by them.
  const card = join(options.out, 'README.md');
  if (existsSync(card)) copyFileSync(card, join(unfinished, 'README.md'));
  if (existsSync(options.out)) rmSync(options.out, { recursive: true });
  renameSync(unfinished, options.out);
  return step;
}
