export interface Finding {
  id:
    | 'idle'
    | 'frozen-camera'
    | 'clipped'
    | 'constant'
    | 'mixed-rates'
    | 'few-episodes'
    | 'too-short'
    | 'statistics'
    | 'jump'
    | 'not-finite'
    | 'contradiction'
    | 'unreadable'
    | 'unreadable-frames'
    | 'timestamps'
    | 'units'
    | 'actions-and-state'
    | 'cut-short'
    | 'swapped-cameras'
    | 'no-instruction';
  severity: 'warning' | 'note';
  /** Its index; null where it is about the whole dataset. */
  episode: number | null;
  dimension?: string;
  camera?: string;
  /** Steps, [from, to). */
  from?: number;
  to?: number;
  message: string;
  hint: string;
}

/** A number as messages show it: three digits. */
export const short = (value: number) => String(Number(value.toPrecision(3)));
