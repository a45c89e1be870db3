import { exampleInstructions, useInstructionStore } from './instruction-store.ts';
import './instruction.css';

/** What the robot is told to do, with examples to start from. */
export function InstructionField() {
  const text = useInstructionStore((state) => state.text);
  const setText = useInstructionStore((state) => state.setText);
  return (
    <section className="instruction-entry">
      <h2>
        <label htmlFor="instruction">Instruction</label>
      </h2>
      <input
        id="instruction"
        type="text"
        className="instruction"
        placeholder="what should the robot do?"
        autoComplete="off"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <div className="chips" role="group" aria-label="Example instructions">
        {exampleInstructions.map((example) => (
          <button
            key={example}
            type="button"
            className="chip"
            aria-pressed={text === example}
            onClick={() => setText(example)}
          >
            {example}
          </button>
        ))}
      </div>
    </section>
  );
}
