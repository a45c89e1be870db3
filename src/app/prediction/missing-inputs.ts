import type { PolicyInfo } from '../../workers/contract.ts';
import { useCameraStore } from '../camera/camera-store.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { parseValue, useStateStore } from '../state/state-store.ts';

/** What is still needed before a prediction can be made, each as a few words. Empty when all is there. */
export function useMissingInputs(info: PolicyInfo): string[] {
  const slots = useCameraStore((state) => state.slots);
  const instruction = useInstructionStore((state) => state.text);
  const values = useStateStore((state) => state.values);
  const images = info.imageSlots.flatMap(({ label }, index) =>
    slots[index]?.kind === 'live' ? [] : [`a source for “${label}”`],
  );
  const numbers = (info.state ?? []).flatMap(({ name }, index) =>
    parseValue(values[index] ?? '') === null ? [`a number for ${name}`] : [],
  );
  return [...images, ...(instruction.trim() ? [] : ['an instruction']), ...numbers];
}
