import { create } from 'zustand';

interface InstructionState {
  text: string;
  setText: (text: string) => void;
}

/** What the robot is told to do. Kept in the address by main.tsx. */
export const useInstructionStore = create<InstructionState>()((set) => ({
  text: '',
  setText: (text) => set({ text }),
}));

/** What the policy that comes with the page was trained on. */
export const tableInstructions = [
  'lift the red block',
  'put the blue block on the plate',
  'put the yellow block in the bowl',
] as const;

/** Phrased as in the LIBERO and Bridge demonstrations: lower case, no full stop. */
export const exampleInstructions = [
  'pick up the black bowl and place it on the plate',
  'put the carrot in the basket',
  'open the top drawer',
] as const;
