/** Compares what check.py found, and imports what it saved. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointFolderName } from '../../src/model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../src/model/finetune/import-checkpoint.ts';
import type { HostTensor, TrainedState } from '../../src/model/finetune/trained.ts';
import { fromBfloat16, toBfloat16 } from '../../src/model/weights/half.ts';
import { diskCheckpoint } from '../node/disk-folder.ts';
import type { Prepared } from './prepare.ts';

/** Of normalised actions: rounding of float32 in another order. */
const LIMIT = 1e-4;

export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** check.py's own checks, and its actions against ours. */
export async function compareActions({ folder, actions }: Prepared): Promise<Check[]> {
  const result = JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as {
    checks: Check[];
    actions: Record<string, number[]>;
  };
  return [
    ...result.checks,
    ...Object.entries(result.actions).map(([what, theirs]) => {
      const error = largestDifference(actions, theirs);
      return {
        what: `actions, ${what}`,
        ok: actions.length === theirs.length && error <= LIMIT,
        detail: `${error.toExponential(1)} of ${LIMIT.toExponential(0)}`,
      };
    }),
  ];
}

/** NaN where any value is. */
function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return NaN;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

const factsOf = ({ run, step, lora }: TrainedState): string => JSON.stringify([run, step, lora]);

function sameState(found: TrainedState, wanted: TrainedState): boolean {
  return factsOf(found) === factsOf(wanted) && sameTensors(tensorsOf(found), tensorsOf(wanted));
}

/** The other direction: what PEFT and torch saved of the same model is the state that was exported. */
export async function importFromPython({ folder, base, shapes, state }: Prepared): Promise<Check[]> {
  const path = join(folder, 'python', checkpointFolderName(state));
  const disk = { ...diskCheckpoint(path), name: checkpointFolderName(state) };
  const on = { config: base.config, shapes };
  const head = `action_head--${state.step}_checkpoint.pt`;
  const half = { ...disk, open: (file: string) => disk.open(file === head ? 'bf16.pt' : file) };
  const rounded: TrainedState = {
    ...state,
    modules: new Map(
      [...state.modules].map(([name, { shape, data }]) => [
        name,
        { shape, data: name.startsWith('action_head.') ? fromBfloat16(toBfloat16(data)) : data },
      ]),
    ),
  };
  return [
    {
      what: 'import of what PEFT and torch save gives the same state',
      ok: sameState(await importCheckpoint(disk, on), state),
      detail: path,
    },
    {
      what: 'import of a bf16 head',
      ok: !disk.files.includes(head) || sameState(await importCheckpoint(half, on), rounded),
      detail: path,
    },
  ];
}

function tensorsOf({ adapters, modules }: TrainedState): Map<string, HostTensor> {
  return new Map([
    ...modules,
    ...[...adapters].flatMap(([name, { a, b }]) => [[`${name} A`, a] as const, [`${name} B`, b] as const]),
  ]);
}

function sameTensors(
  found: ReadonlyMap<string, HostTensor>,
  wanted: ReadonlyMap<string, HostTensor>,
): boolean {
  if (found.size !== wanted.size) return false;
  return [...wanted].every(([name, { shape, data }]) => {
    const tensor = found.get(name);
    return tensor?.shape.join() === shape.join() && largestDifference(tensor.data, data) === 0;
  });
}
