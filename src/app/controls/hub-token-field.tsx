import { useId } from 'react';

interface Props {
  readonly token: string;
  readonly disabled: boolean;
  readonly onChange: (token: string) => void;
}

/** A token of the Hub for what is private or gated there. Kept by who shows this, in memory only. */
export function HubTokenField({ token, disabled, onChange }: Props) {
  const field = useId();
  return (
    <details>
      <summary>Private or gated on the Hub?</summary>
      <label htmlFor={field}>Access token that may read it</label>
      <input
        id={field}
        type="password"
        autoComplete="off"
        value={token}
        placeholder="hf_…"
        disabled={disabled}
        onChange={(event) => onChange(event.target.value)}
      />
      <p className="notice-hint">It is sent to huggingface.co only, and forgotten with this tab.</p>
    </details>
  );
}
