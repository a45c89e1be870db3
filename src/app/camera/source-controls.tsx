import { useId, useRef } from 'react';
import { useCameraStore, type SlotStatus } from './camera-store.ts';
import { clearSlot, feedFromCamera, feedFromFile } from './slots.ts';

interface Props {
  index: number;
  label: string;
  status: SlotStatus;
  /** A camera that feeds another image: one is enough to try. */
  other: string | null;
}

/** Chooses what feeds a slot: a camera, a file, or nothing. */
export function SourceControls({ index, label, status, other }: Props) {
  const devices = useCameraStore((state) => state.devices);
  const file = useRef<HTMLInputElement>(null);
  const select = useId();
  const live = status.kind === 'live' ? status : null;
  return (
    <div className="slot-controls">
      {live?.source === 'camera' && devices.length > 0 ? (
        <>
          <label className="visually-hidden" htmlFor={select}>
            Camera for {label}
          </label>
          <select
            id={select}
            value={live.deviceId ?? ''}
            onChange={(event) => void feedFromCamera(index, event.target.value)}
          >
            {devices.map((device) => (
              <option key={device.id} value={device.id}>
                {device.label}
              </option>
            ))}
          </select>
        </>
      ) : (
        <button
          type="button"
          disabled={status.kind === 'opening'}
          aria-label={`Use camera for ${label}`}
          onClick={() => void feedFromCamera(index, null)}
        >
          Use camera
        </button>
      )}
      {!live && other !== null && (
        <button
          type="button"
          disabled={status.kind === 'opening'}
          aria-label={`Same camera for ${label}`}
          onClick={() => void feedFromCamera(index, other)}
        >
          Same camera
        </button>
      )}
      <button type="button" aria-label={`Choose file for ${label}`} onClick={() => file.current?.click()}>
        Choose file
      </button>
      <input
        ref={file}
        type="file"
        accept="image/*,video/*"
        hidden
        aria-label={`File for ${label}`}
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          // The same file can be chosen again after a failure.
          event.target.value = '';
          if (chosen) void feedFromFile(index, chosen);
        }}
      />
      {live && (
        <button
          type="button"
          className="button-quiet"
          aria-label={`Clear ${label}`}
          onClick={() => clearSlot(index)}
        >
          Clear
        </button>
      )}
      {live && live.source !== 'camera' && <span className="slot-file">{live.label}</span>}
    </div>
  );
}
