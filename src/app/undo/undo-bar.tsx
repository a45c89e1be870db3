import { useEffect } from 'react';
import { useViewStore } from '../view-store.ts';
import { isShown, lastChange, putAway, undoLast, useUndoStore } from './undo-store.ts';
import './undo.css';

/** In a text the keys take typing back. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches('input:not([type=checkbox], [type=radio], [type=range]), textarea, select')
  );
}

/** What was just done, with the way back: the same everywhere on the page. */
export function UndoBar() {
  const step = useViewStore((state) => state.step);
  const said = useUndoStore((state) =>
    state.said && isShown(state.said.about, step) ? state.said.text : null,
  );
  const more = useUndoStore((state) => lastChange(state, step) !== null);
  const undoing = useUndoStore((state) => state.undoing);
  const failure = useUndoStore((state) => state.failure);
  useEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'z' || !(event.ctrlKey || event.metaKey)) return;
      if (event.shiftKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      void undoLast(step);
    };
    document.addEventListener('keydown', keys);
    return () => document.removeEventListener('keydown', keys);
  }, [step]);
  // The region is always there: what appears in it is then read out.
  return (
    <div className="undo" role="region" aria-label="Undo">
      <p aria-live="polite" className={said ? '' : 'visually-hidden'}>
        {said}
        {said && failure && <> {failure.message}</>}
      </p>
      {said && (
        <div className="actions">
          {more && (
            <button type="button" disabled={undoing} onClick={() => void undoLast(step)}>
              Undo <kbd>Ctrl Z</kbd>
            </button>
          )}
          <button type="button" className="button-quiet" aria-label="Dismiss" onClick={putAway}>
            ×
          </button>
        </div>
      )}
    </div>
  );
}
