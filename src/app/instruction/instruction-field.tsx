import { useState } from 'react';
import { useInstructionStore } from './instruction-store.ts';
import './instruction.css';

interface Props {
  examples: readonly string[];
  /** Of the examples, before more are asked for; default all. */
  shown?: number;
  /** Default: the example becomes the text. */
  onExample?: (example: string) => void;
  onEnter?: () => void;
  /** Somebody is about to type. */
  onEdit?: () => void;
}

/** What the robot is told to do, with examples to start from. */
export function InstructionField({ examples, shown = examples.length, onExample, onEnter, onEdit }: Props) {
  const text = useInstructionStore((state) => state.text);
  const setText = useInstructionStore((state) => state.setText);
  const [more, setMore] = useState(false);
  const rest = examples.length - shown;
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
        onKeyDown={(event) => {
          // While an input method composes a word, Enter is part of it.
          if (event.key === 'Enter' && !event.nativeEvent.isComposing) onEnter?.();
        }}
      />
      <div className="chips" role="group" aria-label="Example instructions">
        {(more ? examples : examples.slice(0, shown)).map((example) => (
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
        {rest > 0 && (
          <button
            type="button"
            className="chip chip-more"
            aria-expanded={more}
            onClick={() => setMore(!more)}
          >
            {more ? 'Fewer' : 'More'}
          </button>
        )}
      </div>
    </section>
  );
}
