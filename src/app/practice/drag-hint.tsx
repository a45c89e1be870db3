import { useEffect, useState } from 'react';
import { practiceWorker } from './practice-session.ts';
import { usePracticeStore } from './practice-store.ts';

/** Objects move, and so does the view. */
const FOLLOW_MS = 200;
const KEY = 'drag-hint-shown';

/** Without storage it is shown on every visit. */
function shownBefore(): boolean {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return false;
  }
}

function remember(): void {
  try {
    localStorage.setItem(KEY, 'yes');
  } catch {
    // As above.
  }
}

let wanted: boolean | null = null;

/** “Drag me” on an object, on the first visit until one is dragged. */
export function DragHint() {
  const dragged = usePracticeStore((state) => state.dragged);
  const [place, setPlace] = useState<{ readonly x: number; readonly y: number } | null>(null);
  wanted ??= !shownBefore();
  const show = wanted && !dragged;
  useEffect(() => {
    if (!show) return undefined;
    let timer = 0;
    let ended = false;
    const follow = async (): Promise<void> => {
      const found = await practiceWorker()
        .draggable()
        .catch(() => null);
      if (ended) return;
      setPlace(found);
      if (found) remember();
      timer = window.setTimeout(() => void follow(), FOLLOW_MS);
    };
    void follow();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [show]);
  if (!show || !place) return null;
  // The picture's own label says the same to those who do not see it.
  return (
    <span className="drag-hint" aria-hidden="true" style={{ left: place.x, top: place.y }}>
      Drag me
    </span>
  );
}
