import { useId } from 'react';
import type { PracticeTask } from '../../workers/boundary/contract-practice.ts';

/** One of the table's tasks. @param mark what is said of those the policy was trained on */
export function TaskChoice({
  label,
  tasks,
  value,
  disabled = false,
  mark = '',
  onChoose,
}: {
  label: string;
  tasks: readonly PracticeTask[];
  value: string;
  disabled?: boolean;
  mark?: string;
  onChoose: (task: string) => void;
}) {
  const field = useId();
  return (
    <div className="option">
      <label htmlFor={field}>{label}</label>
      <select id={field} value={value} disabled={disabled} onChange={(event) => onChoose(event.target.value)}>
        {tasks.map(({ name, about, heldOut }) => (
          <option key={name} value={name}>
            {name}: {about}
            {heldOut || !mark ? '' : ` (${mark})`}
          </option>
        ))}
      </select>
    </div>
  );
}
