import { useId, useState } from 'react';

/** A text that can be changed in place, by a button beside it. What is typed and not said yet follows no change from elsewhere. */
export function EditableText({
  label,
  action,
  value,
  onChange,
}: {
  label: string;
  /** What the button says. */
  action: string;
  value: string;
  onChange: (text: string) => void;
}) {
  const [typed, setTyped] = useState<string | null>(null);
  const field = useId();
  const text = (typed ?? value).trim();
  return (
    <form
      className="editable-text"
      onSubmit={(event) => {
        event.preventDefault();
        if (text === '' || text === value) return;
        setTyped(null);
        onChange(text);
      }}
    >
      <label htmlFor={field}>{label}</label>
      <input
        id={field}
        type="text"
        required
        maxLength={300}
        value={typed ?? value}
        onChange={(event) => setTyped(event.target.value)}
      />
      <button type="submit" disabled={text === '' || text === value}>
        {action}
      </button>
    </form>
  );
}
