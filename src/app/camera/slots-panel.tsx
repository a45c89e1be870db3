import type { PolicyInfo } from '../../workers/contract.ts';
import { useCameraStore } from './camera-store.ts';
import { SlotCard } from './slot-card.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import './camera.css';

/** One card per image the policy wants. */
export function Slots({ info }: { info: PolicyInfo }) {
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
          />
        ))}
      </div>
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}
