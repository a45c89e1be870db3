import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';

/** What an adapter is called in a list; of two with the same label and step the later one is numbered. */
export function adapterName(adapter: AdapterInfo, all: readonly AdapterInfo[]): string {
  const { label, step } = adapter;
  const alike = all.filter((other) => other.label === label && other.step === step);
  const copy = alike.findIndex(({ id }) => id === adapter.id);
  return `${label} at step ${step}${copy > 0 ? ` (${copy + 1})` : ''}`;
}
