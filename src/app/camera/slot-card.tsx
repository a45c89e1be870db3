import { useState, type DragEvent, type ReactNode } from 'react';
import { FailureNotice } from '../status/failure-notice.tsx';
import type { SlotStatus } from './camera-store.ts';
import { SeenCanvas } from './seen-canvas.tsx';
import { cameraSeen } from './seen-frames.ts';
import { feedFromFile } from './slots.ts';
import { SourceControls } from './source-controls.tsx';
import { SourceView } from './source-view.tsx';

interface Props {
  index: number;
  label: string;
  status: SlotStatus;
  size: { width: number; height: number };
  /** Drawn over what the model sees. */
  drawn?: ReactNode;
  /** A camera that feeds another image. */
  other: string | null;
}

/** One image slot: its source, what the model sees of it, and the controls to change it. Takes dropped files. */
export function SlotCard({ index, label, status, size, drawn, other }: Props) {
  const [dropping, setDropping] = useState(false);
  const over = (event: DragEvent): void => {
    event.preventDefault();
    setDropping(true);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setDropping(false);
    const file = event.dataTransfer.files[0];
    if (file) void feedFromFile(index, file);
  };
  return (
    <div
      className={`slot ${dropping ? 'slot-dropping' : ''}`}
      role="group"
      aria-label={label}
      data-status={status.kind}
      onDragOver={over}
      onDragLeave={() => setDropping(false)}
      onDrop={drop}
    >
      <h3>{label}</h3>
      <div className="slot-views">
        <figure>
          <SourceView index={index} label={label} status={status} />
          <figcaption>
            {status.kind === 'live' ? `Source, ${status.width} × ${status.height}` : 'Source'}
          </figcaption>
        </figure>
        <figure className="seen">
          <SeenCanvas
            frames={cameraSeen}
            waiting="Waiting for a camera"
            index={index}
            label={label}
            size={size}
          />
          {drawn}
          <figcaption>
            Model sees, {size.width} × {size.height}
          </figcaption>
        </figure>
      </div>
      {status.kind === 'failed' && <FailureNotice failure={status.failure} />}
      <SourceControls index={index} label={label} status={status} other={other} />
    </div>
  );
}
