import { useEffect, useRef, type RefObject } from 'react';

/**
 * Where a button that was pressed goes away, the keyboard goes on at an element that is still there, not at the top of the page.
 * @param phase what the buttons follow
 * @param next the element for a phase; null leaves the focus alone
 */
export function useFocusKept<Phase>(
  phase: Phase,
  next: (phase: Phase) => HTMLElement | null | undefined,
): void {
  const before = useRef(phase);
  const find: RefObject<typeof next> = useRef(next);
  useEffect(() => {
    find.current = next;
  });
  useEffect(() => {
    if (before.current === phase) return;
    before.current = phase;
    const { activeElement } = document;
    if (activeElement !== document.body && !activeElement?.matches(':disabled')) return;
    find.current(phase)?.focus({ preventScroll: true });
  }, [phase]);
}
