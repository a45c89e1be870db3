import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useCameraStore } from '../camera/camera-store.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { parseValue, useStateStore } from '../state/state-store.ts';

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)!}`;

/** @param wanted and connected: labels of image slots @returns what is missing, as a sentence; empty when nothing is */
export function missingImages(wanted: readonly string[], connected: readonly string[]): string {
  if (connected.length === wanted.length) return '';
  const images = wanted.length === 1 ? 'an image' : `${wanted.length} images`;
  if (connected.length === 0) return `Needs ${images}: connect a camera, a video or a still image.`;
  return `Needs ${images}; only ${listed(connected)} ${connected.length === 1 ? 'is' : 'are'} connected.`;
}

/** What is still needed before a prediction can be made, in sentences. Empty when all is there. */
export function useMissingInputs(info: PolicyInfo): string[] {
  const slots = useCameraStore((state) => state.slots);
  const instruction = useInstructionStore((state) => state.text);
  const values = useStateStore((state) => state.values);
  const labels = info.imageSlots.map(({ label }) => label);
  const images = missingImages(
    labels,
    labels.filter((_, index) => slots[index]?.kind === 'live'),
  );
  const numbers = (info.state ?? [])
    .filter((_, index) => parseValue(values[index] ?? '') === null)
    .map(({ name }) => name);
  return [
    images,
    instruction.trim() ? '' : 'Needs an instruction.',
    numbers.length > 0 ? `Needs a number for ${listed(numbers)}.` : '',
  ].filter(Boolean);
}
