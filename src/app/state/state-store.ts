import { create } from 'zustand';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';

interface StateState {
  /** One per entry of `PolicyInfo.state`, as typed: a half-typed number is not a number yet. */
  values: string[];
  unnormKey: string;
  /** Takes over a newly loaded policy's key and neutral state. */
  adopt: (info: PolicyInfo) => void;
  setValue: (index: number, value: string) => void;
  setUnnormKey: (key: string) => void;
  reset: (info: PolicyInfo) => void;
}

/** Six significant digits: more than any joint encoder gives. */
function neutralValues(info: PolicyInfo, key: string): string[] {
  const neutral = info.neutralState?.[key];
  return (info.state ?? []).map((_, index) => String(Number((neutral?.[index] ?? 0).toPrecision(6))));
}

/** The robot's own state as the user gives it, and the statistics that un-normalise the actions. */
export const useStateStore = create<StateState>()((set) => ({
  values: [],
  unnormKey: '',
  adopt: (info) =>
    set({ unnormKey: info.defaultUnnormKey, values: neutralValues(info, info.defaultUnnormKey) }),
  setValue: (index, value) =>
    set(({ values }) => ({ values: values.map((old, at) => (at === index ? value : old)) })),
  setUnnormKey: (unnormKey) => set({ unnormKey }),
  reset: (info) => set(({ unnormKey }) => ({ values: neutralValues(info, unnormKey) })),
}));

/** A typed value as a number, or null where it is none. */
export function parseValue(text: string): number | null {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
