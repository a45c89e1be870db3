import type { View } from './url-state.ts';
import { useViewStore } from './view-store.ts';

const VIEWS: readonly { value: View; label: string }[] = [
  { value: 'table', label: 'Practice table' },
  { value: 'camera', label: 'Camera' },
];

/** The simulated table, or the visitor's own cameras. */
export function ViewChoice({ label }: { label: string }) {
  const view = useViewStore((state) => state.view);
  const setView = useViewStore((state) => state.setView);
  return (
    <nav className="view-choice" aria-label={label}>
      {VIEWS.map(({ value, label: name }) => (
        <button
          key={value}
          type="button"
          aria-current={view === value ? 'page' : undefined}
          onClick={() => setView(value)}
        >
          {name}
        </button>
      ))}
    </nav>
  );
}
