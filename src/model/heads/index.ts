/** The action heads there are. */
import { autoregressive } from './autoregressive.ts';
import { bridge } from './bridge.ts';
import { diffusion } from './diffusion.ts';
import { discrete } from './discrete.ts';
import type { Head } from './head.ts';
import { l1 } from './l1.ts';

const HEADS = { bridge, diffusion, l1, discrete, autoregressive } satisfies Record<string, Head>;

/** How actions come out: see `PolicyConfig.head`. */
export type HeadKind = keyof typeof HEADS;

export const HEAD_KINDS = [
  'l1',
  'diffusion',
  'discrete',
  'autoregressive',
  'bridge',
] as const satisfies HeadKind[];

/** Heads that finetune.py trains, for a robot of any kind. */
export const TRAINABLE_HEADS = ['l1', 'diffusion', 'discrete'] as const satisfies HeadKind[];

export type TrainableHead = (typeof TRAINABLE_HEADS)[number];

export const isTrainable = (head: HeadKind): head is TrainableHead =>
  (TRAINABLE_HEADS as readonly HeadKind[]).includes(head);

export const headOf = ({ head }: { readonly head: HeadKind }): Head => HEADS[head];

/** The head whose weights are among these; null where none is. */
export function headAmong(names: Iterable<string>): HeadKind | null {
  const all = [...names];
  const found = Object.entries(HEADS).find(([, { mark }]) => mark && all.some((name) => mark.test(name)));
  return (found?.[0] as HeadKind | undefined) ?? null;
}
