import type { DatasetReading } from '../../episodes/reading.ts';
import { reopenDemonstrations } from '../finetune/run-session.ts';
import { useTraining } from '../policy/policy-store.ts';

/** What is done to numbers and pictures before anything is trained on them: said, and switched here. */
export function ReadingOptions({ reading, format }: { reading: DatasetReading; format: string }) {
  const busy = useTraining();
  const { standardisation, turned } = reading;
  // Recorders of HDF5 and RLDS sets differ in which way is up; LeRobot's pictures are upright.
  const mayTurn = turned !== 0 || /^(HDF5|RLDS)/.test(format);
  if (!standardisation && !mayTurn) return null;
  return (
    <div className="mapping">
      {standardisation && (
        <label className="option-check">
          <input
            type="checkbox"
            checked={standardisation.applied}
            disabled={busy}
            onChange={(event) => void reopenDemonstrations({ standardise: event.target.checked })}
          />
          Standardise as openvla-oft does for “{standardisation.name}”: {standardisation.does}
        </label>
      )}
      {mayTurn && (
        <label className="option-check">
          <input
            type="checkbox"
            checked={turned === 180}
            disabled={busy}
            onChange={(event) => void reopenDemonstrations({ turned: event.target.checked ? 180 : 0 })}
          />
          Turn pictures by 180°
        </label>
      )}
    </div>
  );
}
