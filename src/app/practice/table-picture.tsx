import { useEffect, useRef, type PointerEvent, type KeyboardEvent, type WheelEvent } from 'react';
import {
  canBringBack,
  openTable,
  orbitTable,
  practiceCanvas,
  practiceWorker,
  resizeTable,
  showTable,
  tableChanged,
  tableNow,
} from './practice-session.ts';
import { useRecorderStore } from '../demonstrations/recorder-store.ts';
import { usePracticeStore } from './practice-store.ts';

/** Radians per pixel dragged, and per key press. */
const TURN = 0.006;
const KEY_TURN = 0.08;
const KEY_ZOOM = 1.08;

const ignore = () => undefined;

function orbit(azimuth: number, elevation: number, zoom: number): void {
  void orbitTable(azimuth, elevation, zoom).catch(ignore);
}

/** Where in the picture, pixels. */
function at(event: PointerEvent): [number, number] {
  const box = event.currentTarget.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** Zooms with Ctrl, or a pinch: a page that scrolls under the pointer must not. */
function wheelZoom(event: WheelEvent): void {
  if (event.ctrlKey) orbit(0, 0, event.deltaY > 0 ? KEY_ZOOM : 1 / KEY_ZOOM);
}

/** The drawn table: objects can be dragged, the view turned. */
export function TablePicture() {
  const frame = useRef<HTMLDivElement>(null);
  const open = usePracticeStore((state) => state.status.kind === 'open');
  /** Where a drag that turns the view was last; null where none does. */
  const turning = useRef<{ x: number; y: number } | null>(null);
  const dragging = useRef(false);

  useEffect(() => {
    const element = frame.current!;
    const canvas = practiceCanvas();
    element.prepend(canvas);
    const sizeOf = () => ({
      width: Math.max(1, Math.round(element.clientWidth)),
      height: Math.max(1, Math.round(element.clientHeight)),
    });
    void openTable(sizeOf());
    showTable(true);
    const observer = new ResizeObserver(() => resizeTable(sizeOf()));
    observer.observe(element);
    // Only until the page scrolls can a finger be kept from scrolling it: React listens too passively for that.
    const keepStill = (event: TouchEvent): void => {
      if (dragging.current && event.cancelable) event.preventDefault();
    };
    element.addEventListener('touchmove', keepStill, { passive: false });
    return () => {
      element.removeEventListener('touchmove', keepStill);
      observer.disconnect();
      showTable(false);
    };
  }, []);

  const down = (event: PointerEvent<HTMLDivElement>): void => {
    if (!open || event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const start = { x: event.clientX, y: event.clientY };
    // Whoever records leads the gripper: that is not undone, but recorded again.
    const idle =
      usePracticeStore.getState().run.kind === 'idle' && useRecorderStore.getState().status.kind === 'idle';
    const before = idle ? tableNow() : null;
    void practiceWorker()
      .pointer('down', ...at(event))
      .then(async (what) => {
        dragging.current = what === 'object';
        turning.current = what === 'view' ? start : null;
        if (what === 'view') return;
        usePracticeStore.setState({ dragged: true });
        tableChanged();
        if (before) canBringBack(await before, 'Object moved.');
      })
      .catch(ignore);
  };
  const move = (event: PointerEvent<HTMLDivElement>): void => {
    if (dragging.current)
      void practiceWorker()
        .pointer('move', ...at(event))
        .catch(ignore);
    if (!turning.current) return;
    const { x, y } = turning.current;
    turning.current = { x: event.clientX, y: event.clientY };
    // Up and down a finger scrolls the page.
    const rise = event.pointerType === 'touch' ? 0 : (event.clientY - y) * TURN;
    orbit((x - event.clientX) * TURN, rise, 1);
  };
  const up = (event: PointerEvent<HTMLDivElement>): void => {
    if (open)
      void practiceWorker()
        .pointer('up', ...at(event))
        .catch(ignore);
    dragging.current = false;
    turning.current = null;
  };
  const key = (event: KeyboardEvent): void => {
    const turns: Record<string, [number, number, number]> = {
      ArrowLeft: [-KEY_TURN, 0, 1],
      ArrowRight: [KEY_TURN, 0, 1],
      ArrowUp: [0, KEY_TURN, 1],
      ArrowDown: [0, -KEY_TURN, 1],
      '+': [0, 0, 1 / KEY_ZOOM],
      '-': [0, 0, KEY_ZOOM],
    };
    const turn = turns[event.key];
    if (!open || !turn) return;
    event.preventDefault();
    orbit(...turn);
  };

  return (
    <div
      ref={frame}
      className="table-picture"
      tabIndex={0}
      role="application"
      aria-label="Practice table. Drag objects to move them; drag the background or use the arrow keys to turn the view, plus and minus to zoom."
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onWheel={open ? wheelZoom : undefined}
      onKeyDown={key}
    />
  );
}
