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

/** Phrased as in the LIBERO and Bridge demonstrations: lower case, no full stop. */
export const exampleInstructions = [
  'pick up the black bowl and place it on the plate',
  'put the carrot in the basket',
  'open the top drawer',
] as const;
