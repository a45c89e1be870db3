/** The address that a package is opened by which was made here: from what, and how. */
import type { PackageChoices } from './plan.ts';

export interface MadeFrom {
  /** A Hub repository or an address; a folder's name for files that were handed over. */
  readonly from: string;
  readonly kind: 'address' | 'folder';
  readonly choices: Pick<
    PackageChoices,
    'bits' | 'decoding' | 'teach' | 'unnormKey' | 'profile' | 'images' | 'centerCrop'
  >;
  /** Tells folders of one name apart. */
  readonly content?: string;
}

const SCHEME = 'checkpoint:';

export function checkpointUrl({ from, kind, choices, content }: MadeFrom): string {
  const query = new URLSearchParams({ from, bits: String(choices.bits) });
  if (kind === 'folder') query.set('folder', content ?? '');
  const more = { decoding: choices.decoding, teach: choices.teach, key: choices.unnormKey };
  for (const [name, value] of Object.entries(more)) if (value !== undefined) query.set(name, value);
  return `${SCHEME}?${query.toString()}`;
}
