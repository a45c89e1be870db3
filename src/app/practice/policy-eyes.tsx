import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { SeenCanvas } from '../camera/seen-canvas.tsx';
import { tableSeen } from '../camera/seen-frames.ts';

/** What the policy sees: the table's two cameras, as it gets them. */
export function PolicyEyes({ info }: { info: PolicyInfo }) {
  return (
    <div className="eyes">
      {info.imageSlots.map(({ name, label }, index) => (
        <figure key={name} className="eye">
          <SeenCanvas
            frames={tableSeen}
            waiting="Waiting for the table"
            index={index}
            label={label}
            size={info.imageSize}
          />
          <figcaption>{label}</figcaption>
        </figure>
      ))}
    </div>
  );
}
