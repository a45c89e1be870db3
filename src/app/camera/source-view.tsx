import { useEffect, useRef } from 'react';
import type { SlotStatus } from './camera-store.ts';
import { slotSource } from './slots.ts';

interface Props {
  index: number;
  label: string;
  status: SlotStatus;
}

const words: Record<Exclude<SlotStatus['kind'], 'live'>, string> = {
  empty: 'Drop a video or an image here',
  opening: 'Opening…',
  failed: 'No picture',
};

/** Shows the element that the frames are read from; it belongs to the source, not to React. */
export function SourceView({ index, label, status }: Props) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const source = status.kind === 'live' ? slotSource(index) : undefined;
    if (!source || !host.current) return;
    source.element.setAttribute('aria-label', `${label}: ${source.label}`);
    if (source.element instanceof HTMLCanvasElement) source.element.setAttribute('role', 'img');
    host.current.replaceChildren(source.element);
    // Moving a video in the document pauses it.
    if (source.element instanceof HTMLVideoElement && source.element.paused) {
      source.element.play().catch(() => undefined);
    }
  }, [index, label, status]);
  if (status.kind !== 'live') return <div className="view view-empty">{words[status.kind]}</div>;
  return <div className="view" ref={host} />;
}
