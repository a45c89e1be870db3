import { useState } from 'react';

/** Deletes what cannot be brought back: asks once, in place. What can be is deleted at once, and the undo bar offers it back. */
export function DeleteButton({
  label = 'Delete',
  disabled = false,
  onDelete,
}: {
  label?: string;
  disabled?: boolean;
  onDelete: () => void;
}) {
  const [asked, setAsked] = useState(false);
  if (!asked) {
    return (
      <button type="button" disabled={disabled} onClick={() => setAsked(true)}>
        {label}
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        className="button-stop"
        disabled={disabled}
        autoFocus
        onClick={() => {
          setAsked(false);
          onDelete();
        }}
      >
        Delete for good
      </button>
      <button type="button" onClick={() => setAsked(false)}>
        Keep
      </button>
    </>
  );
}
