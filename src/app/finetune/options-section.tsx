import { useId, type ReactNode } from 'react';
import type { FineTuneOptions, LoraTargets } from '../../workers/boundary/contract-finetune.ts';
import { adapterName } from './adapter-name.ts';
import { startFrom } from './adapter-session.ts';
import { setOptions } from './estimate-session.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { optionErrors } from './option-errors.ts';

interface FieldProps {
  label: string;
  /** finetune.py's name of it. */
  upstream?: string;
  error?: string | undefined;
  children: (id: string, describedBy: string | undefined) => ReactNode;
}

function Field({ label, upstream, error, children }: FieldProps) {
  const id = useId();
  return (
    <div className="option">
      <label htmlFor={id}>
        {label} {upstream && <span className="unit">{upstream}</span>}
      </label>
      {children(id, error ? `${id}-error` : undefined)}
      {error && (
        <p id={`${id}-error`} className="field-error">
          {error}
        </p>
      )}
    </div>
  );
}

interface NumberProps {
  label: string;
  upstream?: string;
  value: number | null;
  error?: string | undefined;
  step?: string;
  onChange: (value: number | null) => void;
}

function NumberField({ label, upstream, value, error, step = '1', onChange }: NumberProps) {
  return (
    <Field label={label} {...(upstream ? { upstream } : {})} error={error}>
      {(id, describedBy) => (
        <input
          id={id}
          type="number"
          step={step}
          value={value === null || Number.isNaN(value) ? '' : value}
          aria-invalid={error !== undefined}
          aria-describedby={describedBy}
          onChange={(event) => onChange(event.target.value === '' ? null : event.target.valueAsNumber)}
        />
      )}
    </Field>
  );
}

type NumericKey = {
  [Key in keyof FineTuneOptions]: FineTuneOptions[Key] extends number ? Key : never;
}[keyof FineTuneOptions];

const MAIN: [NumericKey, string, string, string][] = [
  ['maxSteps', 'Steps', 'max_steps', '1'],
  ['batchSize', 'Samples per step', 'batch_size', '1'],
  ['learningRate', 'Learning rate', 'learning_rate', 'any'],
];

const ADVANCED: [NumericKey, string, string, string][] = [
  ['gradAccumulationSteps', 'Passes per step', 'grad_accumulation_steps', '1'],
  ['lrWarmupSteps', 'Warm-up steps', 'lr_warmup_steps', '1'],
  ['numStepsBeforeDecay', 'Steps before decay', 'num_steps_before_decay', '1'],
  ['validationFraction', 'Share held out', '', 'any'],
  ['valFreq', 'Validate every', 'val_freq', '1'],
  ['valSamples', 'Samples to validate on', '', '1'],
  ['saveFreq', 'Save every', 'save_freq', '1'],
  ['seed', 'Seed', '', '1'],
];

function LoraFields({
  options,
  errors,
}: {
  options: FineTuneOptions;
  errors: ReturnType<typeof optionErrors>;
}) {
  const { lora } = options;
  const targetsField = useId();
  if (!lora) return null;
  const change = (part: Partial<typeof lora>) => setOptions({ lora: { ...lora, ...part } });
  const kind = typeof lora.targets === 'object' ? 'pattern' : lora.targets;
  return (
    <>
      <NumberField
        label="LoRA rank"
        upstream="lora_rank"
        value={lora.r}
        error={errors.r}
        onChange={(r) => change({ r: r ?? NaN, alpha: Math.min(r ?? NaN, 16) })}
      />
      <NumberField
        label="LoRA alpha"
        upstream="lora_alpha"
        step="any"
        value={lora.alpha}
        error={errors.alpha}
        onChange={(alpha) => change({ alpha: alpha ?? NaN })}
      />
      <NumberField
        label="LoRA dropout"
        upstream="lora_dropout"
        step="any"
        value={lora.dropout}
        error={errors.dropout}
        onChange={(dropout) => change({ dropout: dropout ?? NaN })}
      />
      <div className="option">
        <label htmlFor={targetsField}>
          LoRA on <span className="unit">target_modules</span>
        </label>
        <select
          id={targetsField}
          value={kind}
          onChange={(event) => {
            const chosen = event.target.value;
            const targets: LoraTargets =
              chosen === 'pattern'
                ? { pattern: String.raw`.*\.self_attn\.(q|v)_proj` }
                : (chosen as 'all-linear');
            change({ targets });
          }}
        >
          <option value="all-linear">every linear layer</option>
          <option value="language-model">the language model only</option>
          <option value="pattern">layers by a pattern</option>
        </select>
      </div>
      {typeof lora.targets === 'object' && (
        <Field label="Pattern of whole module names" error={errors.pattern}>
          {(id, describedBy) => (
            <input
              id={id}
              type="text"
              value={(lora.targets as { pattern: string }).pattern}
              aria-invalid={errors.pattern !== undefined}
              aria-describedby={describedBy}
              onChange={(event) => change({ targets: { pattern: event.target.value } })}
            />
          )}
        </Field>
      )}
    </>
  );
}

/** Whether it begins with the policy as it was loaded, or goes on from what somebody taught it. */
function StartFrom({ chosen }: { chosen: string | null }) {
  const adapters = useFineTuneStore((state) => state.adapters);
  if (adapters.length === 0) return null;
  return (
    <Field label="Start from">
      {(id) => (
        <select
          id={id}
          value={chosen ?? ''}
          onChange={(event) => startFrom(event.target.value === '' ? null : event.target.value)}
        >
          <option value="">the original policy</option>
          {adapters.map((adapter) => (
            <option key={adapter.id} value={adapter.id}>
              {adapterName(adapter, adapters)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** What a run will do. The defaults suit a handful of demonstrations. */
export function OptionsSection({ disabled }: { disabled: boolean }) {
  const options = useFineTuneStore((state) => state.options);
  const errors = optionErrors(options);
  const continued = options.startFrom !== null;
  // Another robot's range has nothing to do with the policy's.
  const ownRange = options.robot !== null && !continued;
  const numeric = ([key, label, upstream, step]: [NumericKey, string, string, string]) => (
    <NumberField
      key={key}
      label={label}
      {...(upstream ? { upstream } : {})}
      step={step}
      value={options[key]}
      error={errors[key]}
      onChange={(value) => setOptions({ [key]: value ?? NaN })}
    />
  );
  return (
    <section className="teach-part" aria-labelledby="options-title">
      <h3 id="options-title">How to train</h3>
      <fieldset disabled={disabled} className="options">
        <Field label="Name of the run" error={errors.run}>
          {(id, describedBy) => (
            <input
              id={id}
              type="text"
              value={options.run}
              aria-invalid={errors.run !== undefined}
              aria-describedby={describedBy}
              onChange={(event) => setOptions({ run: event.target.value })}
            />
          )}
        </Field>
        <StartFrom chosen={options.startFrom} />
        {MAIN.map(numeric)}
      </fieldset>
      <details>
        <summary>More settings</summary>
        <fieldset disabled={disabled} className="options">
          {continued ? (
            <p className="aside">Its LoRA and its modules are trained on as they are.</p>
          ) : (
            <LoraFields options={options} errors={errors} />
          )}
          {ADVANCED.map(numeric)}
          <NumberField
            label="Clip gradients to"
            step="any"
            value={options.maxGradNorm}
            error={errors.maxGradNorm}
            onChange={(maxGradNorm) => setOptions({ maxGradNorm })}
          />
          <label className="option-check">
            <input
              type="checkbox"
              checked={options.imageAug}
              onChange={(event) => setOptions({ imageAug: event.target.checked })}
            />
            Vary crop and colours of images <span className="unit">image_aug</span>
          </label>
          <label className="option-check">
            <input
              type="checkbox"
              checked={options.freshModules && !continued}
              disabled={continued}
              onChange={(event) => setOptions({ freshModules: event.target.checked })}
            />
            Reinitialise the action head and projectors
          </label>
          <label className="option-check">
            <input
              type="checkbox"
              checked={options.statistics === 'policy' && !ownRange}
              disabled={ownRange}
              onChange={(event) =>
                setOptions({ statistics: event.target.checked ? 'policy' : 'demonstrations' })
              }
            />
            Keep the policy’s own statistics
          </label>
          <label className="option-check">
            <input
              type="checkbox"
              checked={options.lora !== null || continued}
              disabled={continued}
              onChange={(event) =>
                setOptions({
                  lora: event.target.checked ? { r: 32, alpha: 16, dropout: 0, targets: 'all-linear' } : null,
                })
              }
            />
            Adapt the network with LoRA <span className="unit">use_lora</span>
          </label>
        </fieldset>
      </details>
    </section>
  );
}
