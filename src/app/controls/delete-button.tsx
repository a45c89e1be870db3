import { useState } from 'react';

/** Deletes what cannot be brought back: asks once, in place. */
export function DeleteButton({ disabled = false, onDelete }: { disabled?: boolean; onDelete: () => void }) {
  const [asked, setAsked] = useState(false);
  if (!asked) {
    return (
      <button type="button" disabled={disabled} onClick={() => setAsked(true)}>
        Delete
      </button>
    );
  }
  return (
    <>
      <button type="button" className="button-stop" disabled={disabled} onClick={onDelete}>
        Delete for good
      </button>
      <button type="button" onClick={() => setAsked(false)}>
        Keep
      </button>
    </>
  );
}
