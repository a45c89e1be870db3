import { useId, useState } from 'react';
import type { DatasetReading, FeatureMapping } from '../../episodes/reading.ts';
import type { DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';
import { reopenDemonstrations } from '../finetune/run-session.ts';
import { useTraining } from '../policy/policy-store.ts';
import { aboutChoice } from './chosen-reading.ts';

type Feature = DatasetReading['features'][number];

/** Numbers of one step in a row; the worker says what else does not fit. */
const isVector = ({ dtype, shape }: Feature) => /^(float|int|uint|bool)/.test(dtype) && shape.length === 1;
const isPicture = ({ dtype, shape }: Feature) =>
  dtype === 'image' || dtype === 'video' || (dtype === 'uint8' && shape.length === 3);

const names = (features: readonly Feature[]) => features.map(({ name }) => name);

/** The same list with or without a name; what is added comes last, as states are joined in order. */
function toggled(list: readonly string[], name: string): string[] {
  return list.includes(name) ? list.filter((one) => one !== name) : [...list, name];
}

function Choices({
  title,
  all,
  chosen,
  onChange,
}: {
  title: string;
  all: readonly string[];
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}) {
  return (
    <fieldset className="mapping-choices">
      <legend>{title}</legend>
      {all.length === 0 && <p className="aside">none recorded</p>}
      {all.map((name) => (
        <label key={name} className="option-check">
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={() => onChange(toggled(chosen, name))}
          />
          {name}
          {chosen.length > 1 && chosen.includes(name) && (
            <span className="aside number">{chosen.indexOf(name) + 1}</span>
          )}
        </label>
      ))}
    </fieldset>
  );
}

/** openvla-oft's transform of an RLDS set takes features of its own; that of LIBERO's HDF5 files changes the action alone. */
function keepsStandard(
  { format }: DemonstrationsInfo,
  { mapping, standardisation }: DatasetReading,
  wanted: FeatureMapping,
): boolean {
  const sameState = wanted.state.join('\n') === mapping.state.join('\n');
  return (
    (standardisation?.applied ?? false) &&
    wanted.action === mapping.action &&
    (sameState || format.startsWith('HDF5'))
  );
}

/** Which recorded feature is which input of the policy: guessed by name, chosen otherwise here. */
export function MappingForm({ info, reading }: { info: DemonstrationsInfo; reading: DatasetReading }) {
  const busy = useTraining();
  const [mapping, setMapping] = useState<FeatureMapping>(reading.mapping);
  const field = useId();
  const vectors = names(reading.features.filter(isVector));
  const pictures = names(reading.features.filter(isPicture));
  const same = JSON.stringify(mapping) === JSON.stringify(reading.mapping);
  const choice = aboutChoice(info);
  const change = (part: Partial<FeatureMapping>) => setMapping({ ...mapping, ...part });
  return (
    <details className="mapping" open={choice.includes('not used')}>
      <summary>
        Read as action: {reading.mapping.action}; state: {reading.mapping.state.join(', ') || 'none'};{' '}
        {reading.mapping.cameras.length} of {pictures.length} cameras.{' '}
        {choice && <span className="aside">{choice}</span>}
      </summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void reopenDemonstrations({ mapping, standardise: keepsStandard(info, reading, mapping) });
        }}
      >
        <label htmlFor={field}>Action</label>
        <select
          id={field}
          value={mapping.action}
          onChange={(event) => change({ action: event.target.value })}
        >
          {vectors.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <Choices
          title="State"
          all={vectors.filter((name) => name !== mapping.action)}
          chosen={mapping.state}
          onChange={(state) => change({ state })}
        />
        <Choices
          title="Cameras"
          all={pictures}
          chosen={mapping.cameras}
          onChange={(cameras) => change({ cameras })}
        />
        <div className="actions">
          <button type="submit" disabled={busy || same}>
            Read it this way
          </button>
        </div>
      </form>
    </details>
  );
}
