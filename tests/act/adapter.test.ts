/** An adapter's statistics replace the package's, as in the page and as upstream's checkpoint folders mean them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { exportCheckpoint } from '../../src/model/finetune/export-checkpoint.ts';
import { initialModules } from '../../src/model/finetune/modules-init.ts';
import { moduleShapes } from '../../src/model/policy/module-shapes.ts';
import type { TrainedState } from '../../src/model/finetune/trained.ts';
import { collectBytes } from '../../src/model/weights/zip-writer.ts';
import { Random } from '../../src/base/random.ts';
import { servedPolicy } from '../../tools/act/served-policy.ts';
import { openNodePolicy } from '../../tools/evaluate/node-policy.ts';
import { FRAMES, INSTRUCTION, STATE, tiny } from './tiny-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'openvla-act-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes fresh modules and these statistics as a checkpoint folder; gives its path. */
async function adapterWith(name: string, statistics: TrainedState['statistics']): Promise<string> {
  const { config } = tiny.policy;
  const modules = initialModules(moduleShapes(config), new Random(1));
  const state: TrainedState = {
    run: name,
    step: 7,
    own: null,
    lora: null,
    adapters: new Map(),
    modules,
    statistics,
  };
  const files = exportCheckpoint(state, { config, source: tiny.source, name: 'tiny' });
  for (const file of files) {
    const path = join(folder, file.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await collectBytes(file));
  }
  return join(folder, files[0]!.path.split('/')[0]!);
}

it('an adapter’s statistics are those in use', async () => {
  const [key] = Object.keys(tiny.statistics);
  const { action, proprio } = tiny.statistics[key!]!;
  const doubled = {
    ...action,
    q01: action.q01.map((value) => 2 * value),
    q99: action.q99.map((value) => 2 * value),
  };
  const same = await openNodePolicy('tests/packages/tiny', {
    threads: 1,
    adapter: await adapterWith('same', { ours: { action, proprio } }),
  });
  const other = await openNodePolicy('tests/packages/tiny', {
    threads: 1,
    adapter: await adapterWith('doubled', { ours: { action: doubled, proprio } }),
  });
  const observation = { frames: FRAMES, instruction: INSTRUCTION, state: STATE };
  const [base, ofSame, ofOther] = [
    await tiny.act(observation),
    await same.act(observation),
    await other.act(observation),
  ];
  expect(ofSame).not.toEqual(base);
  // The gripper, last, is not normalised.
  const scaled = ofSame.map((row) => row.map((value, i) => (action.mask?.[i] === false ? value : 2 * value)));
  for (const [step, row] of ofOther.entries())
    for (const [i, value] of row.entries()) expect(value).toBeCloseTo(scaled[step]![i]!, 6);

  const { form, description } = servedPolicy(other, undefined, 'CPU');
  expect(form).toMatchObject({ unnormKeys: ['ours'], unnormKey: 'ours' });
  expect(description).toMatchObject({ adapter: { run: 'doubled', step: 7 } });
  expect(() => servedPolicy(other, key, 'CPU')).toThrow(/no such statistics/);
  same.dispose();
  other.dispose();
});
