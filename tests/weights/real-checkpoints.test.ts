/** Checkpoints as people have them: packed on Windows, saved flat, with statistics made by hand. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memoryReader } from '../../src/io/byte-reader.ts';
import { parsePythonJson } from '../../src/io/python-json.ts';
import { findModules } from '../../src/model/weights/checkpoint-modules.ts';
import { parseStatistics } from '../../src/model/policy/statistics-file.ts';
import { refuseLfsPointer } from '../../src/io/git-lfs.ts';
import { withinRoot } from '../../src/model/finetune/import-checkpoint-folder.ts';
import { ModelError } from '../../src/base/errors.ts';

const NEEDS = { actions: 7, proprio: 8 };
const GOOD = JSON.parse(readFileSync('tests/golden/libero-l1/dataset_statistics.json', 'utf8')) as Record<
  string,
  { action: Record<string, unknown>; proprio: Record<string, unknown> }
>;
const KEY = Object.keys(GOOD)[0]!;

/** The statistics of a golden case, spoilt by hand. */
function spoilt(change: (entry: (typeof GOOD)[string]) => void): unknown {
  const copy = structuredClone(GOOD);
  change(copy[KEY]!);
  return copy;
}

const read = (json: unknown) => parseStatistics(json, 'dataset_statistics.json', NEEDS);

function refusal(json: unknown): ModelError {
  try {
    read(json);
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  return expect.unreachable();
}

const fourteen = (field: Record<string, unknown>) => {
  for (const [name, values] of Object.entries(field))
    field[name] = [...(values as unknown[]), ...(values as unknown[])];
};

describe('statistics made by hand', () => {
  it('are read as upstream writes them, and with 0 and 1 as mask', () => {
    expect(read(GOOD)).toEqual(GOOD);
    const mask = [1, 1, 1, 1, 1, 1, 0];
    const parsed = read(spoilt(({ action }) => (action['mask'] = mask)));
    expect(parsed[KEY]!.action.mask).toEqual(mask.map(Boolean));
  });

  it.each<[string, unknown, string, string]>([
    ['no dataset name', GOOD[KEY], 'bad-file', 'name of a dataset'],
    ['no q01', spoilt(({ action }) => delete action['q01']), 'bad-file', '"action.q01"'],
    [
      'NaN',
      spoilt(({ action }) => (action['std'] = [NaN, 1, 1, 1, 1, 1, 1])),
      'bad-file',
      'action.std[0] is NaN',
    ],
    [
      'no proprio',
      spoilt((entry) => delete (entry as Partial<typeof entry>).proprio),
      'missing-statistics',
      'state of 8 values',
    ],
    [
      'a short proprio',
      spoilt(({ proprio }) => (proprio['q01'] = [1, 2, 3])),
      'missing-statistics',
      'proprio.q01 has 3 values',
    ],
    [
      'another robot',
      spoilt(({ action }) => fourteen(action)),
      'missing-statistics',
      'has 14 values, the policy 7',
    ],
    [
      'a mask of another size',
      spoilt(({ action }) => (action['mask'] = [true])),
      'bad-file',
      'action.mask has 1',
    ],
    ['text', spoilt(({ action }) => (action['q99'] = 'all')), 'bad-file', 'action.q99 is not a list'],
    ['nothing', {}, 'missing-statistics', 'no statistics'],
    ['a list', [], 'bad-file', 'not a JSON object'],
    ['null', { x: null }, 'bad-file', '"x"'],
  ])('with %s are refused by field', (_, json, code, part) => {
    const { code: found, message } = refusal(json);
    expect(found).toBe(code);
    expect(message).toContain(part);
  });

  it('of other robots may stand beside those that are used', () => {
    const other = structuredClone(GOOD[KEY]!);
    fourteen(other.action);
    const both = { ...GOOD, other };
    expect(Object.keys(parseStatistics(both, 'x', NEEDS, KEY))).toEqual([KEY, 'other']);
    expect(() => parseStatistics(both, 'x', NEEDS)).toThrow('other');
  });
});

describe("Python's JSON", () => {
  it('may hold NaN and Infinity, which texts may name, too', () => {
    expect(parsePythonJson('{"a": [NaN, -Infinity, 1], "NaN": "is \\"NaN\\" or Infinity"}', 'x')).toEqual({
      a: [NaN, -Infinity, 1],
      NaN: 'is "NaN" or Infinity',
    });
    expect(() => parsePythonJson('{a: 1}', 'x.json')).toThrow('x.json is not valid JSON');
  });
});

describe('files of modules', () => {
  it('are found by their step, or as the latest', () => {
    const files = [
      'action_head--5000_checkpoint.pt',
      'action_head--10000_checkpoint.pt',
      'proprio_projector--10000_checkpoint.pt',
    ];
    expect(findModules(files).get('action_head')).toEqual({ path: files[1], step: 10_000 });
    const latest = files.slice(1).map((path) => path.replace('10000', 'latest'));
    expect(findModules(latest).get('proprio_projector')).toEqual({ path: latest[1], step: null });
  });

  it('are taken by upstream’s rule, and never left out without a word', () => {
    const own = findModules(['action_head_checkpoint.pt', 'proprio_projector--checkpoint.pt']);
    expect(own.get('action_head')).toEqual({ path: 'action_head_checkpoint.pt', step: null });
    expect(findModules(['bf16_sample/action_head--5_checkpoint.pt']).size).toBe(0);
    expect(() => findModules(['action_head.pt'])).toThrow(
      'action_head.pt, which is not a name of upstream’s',
    );
    expect(findModules(['action_head--5_checkpoint.pt', 'action_head.old.pt']).get('action_head')!.step).toBe(
      5,
    );
  });

  it('of different steps are refused', () => {
    expect(() => findModules(['action_head--5_checkpoint.pt', 'proprio_projector--6_checkpoint.pt'])).toThrow(
      'different steps',
    );
  });
});

const folder = (files: readonly string[]) => ({
  files,
  open: async (path: string) => memoryReader(new TextEncoder().encode(path), path),
});
const text = async (
  file: Promise<{ slice(a: number, b: number): Promise<Uint8Array>; byteLength: number }>,
) => {
  const opened = await file;
  return new TextDecoder().decode(await opened.slice(0, opened.byteLength));
};

describe('adapters', () => {
  it("are found where PEFT's save_pretrained puts them, and at the shallowest level", async () => {
    const flat = withinRoot(
      folder([
        'run/adapter_config.json',
        'run/adapter_model.safetensors',
        'run/dataset_statistics.json',
        'run/old/dataset_statistics.json',
      ]),
    );
    expect(flat.files).toContain('lora_adapter/adapter_model.safetensors');
    expect(await text(flat.open('lora_adapter/adapter_config.json'))).toBe('run/adapter_config.json');
    expect(await text(flat.open('dataset_statistics.json'))).toBe('run/dataset_statistics.json');
    const usual = withinRoot(folder(['lora_adapter/adapter_config.json', 'dataset_statistics.json']));
    expect(await text(usual.open('lora_adapter/adapter_config.json'))).toBe(
      'lora_adapter/adapter_config.json',
    );
  });

  it('that are two are not chosen from in silence', () => {
    expect(() => withinRoot(folder(['adapter_config.json', 'lora_adapter/adapter_config.json']))).toThrow(
      'two adapters',
    );
    expect(() => withinRoot(folder(['a/dataset_statistics.json', 'b/dataset_statistics.json']))).toThrow(
      'several',
    );
  });
});

describe('git-lfs pointers', () => {
  it('are named as such', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12345\n`;
    const file = memoryReader(new TextEncoder().encode(pointer), 'model.safetensors');
    await expect(refuseLfsPointer(file)).rejects.toThrow('model.safetensors is a git-lfs pointer');
    await refuseLfsPointer(memoryReader(new TextEncoder().encode('a text'), 'x'));
  });
});
