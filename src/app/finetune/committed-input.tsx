import { useState } from 'react';

interface Props<T> {
  readonly id?: string;
  readonly value: string;
  readonly label?: string;
  readonly inputMode?: 'numeric' | 'decimal' | 'text';
  /** Null for what cannot be. */
  readonly parse: (text: string) => T | null;
  readonly onCommit: (value: T) => void;
}

/** A field whose value counts once it is left, or Enter is pressed: what follows from it takes a while. */
export function CommittedInput<T>({ id, value, label, inputMode = 'text', parse, onCommit }: Props<T>) {
  /** Null while nothing is being typed. */
  const [draft, setDraft] = useState<string | null>(null);
  const text = draft ?? value;
  const commit = (): void => {
    const parsed = parse(text);
    setDraft(null);
    if (parsed !== null && text !== value) onCommit(parsed);
  };
  return (
    <input
      id={id}
      type="text"
      inputMode={inputMode}
      aria-label={label}
      aria-invalid={parse(text) === null}
      value={text}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={commit}
      onKeyDown={(event) => {
        if (event.key === 'Enter') commit();
      }}
    />
  );
}
