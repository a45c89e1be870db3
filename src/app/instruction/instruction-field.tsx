import { useInstructionStore } from './instruction-store.ts';
import './instruction.css';

interface Props {
  examples: readonly string[];
  /** Default: the example becomes the text. */
  onExample?: (example: string) => void;
  /** Somebody is about to type. */
  onEdit?: () => void;
}

/** What the robot is told to do, with examples to start from. */
export function InstructionField({ examples, onExample, onEdit }: Props) {
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
        onFocus={onEdit}
        onChange={(event) => setText(event.target.value)}
      />
      <div className="chips" role="group" aria-label="Example instructions">
        {examples.map((example) => (
          <button
            key={example}
            type="button"
            className="chip"
            aria-pressed={text === example}
            onClick={() => (onExample ?? setText)(example)}
          >
            {example}
          </button>
        ))}
      </div>
    </section>
  );
}
