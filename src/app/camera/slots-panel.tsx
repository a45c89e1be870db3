import type { ReactNode } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useCameraStore, type SlotStatus } from './camera-store.ts';
import { SlotCard } from './slot-card.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import './camera.css';

/** A camera that feeds another image, to be used for this one as well. */
function otherCamera(slots: readonly SlotStatus[], index: number): string | null {
  const other = slots.find((slot, at) => at !== index && slot.kind === 'live' && slot.source === 'camera');
  return other?.kind === 'live' ? other.deviceId : null;
}

/**
 * One card per image the policy wants.
 * @param over drawn over what the model sees of the first image
 */
export function Slots({ info, over }: { info: PolicyInfo; over?: ReactNode }) {
  const slots = useCameraStore((state) => state.slots);
  const failure = useCameraStore((state) => state.previewFailure);
  return (
    <section aria-labelledby="slots-title">
      <h2 id="slots-title">{info.imageSlots.length === 1 ? 'Image' : 'Images'}</h2>
      <p className="section-hint">
        Connect a camera, a video or a still image to each. “Model sees” is the exact picture that the network
        gets{info.centerCrop ? ', cropped to its centre as in training' : ''}.
      </p>
      <div className="slots">
        {info.imageSlots.map(({ name, label }, index) => (
          <SlotCard
            key={name}
            index={index}
            label={label}
            status={slots[index] ?? { kind: 'empty' }}
            size={info.imageSize}
            drawn={index === 0 ? over : undefined}
            other={otherCamera(slots, index)}
          />
        ))}
      </div>
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}
