import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useStateStore } from './state-store.ts';

/** Which statistics un-normalise the actions; asked only where the package holds several. */
export function UnnormKeyChoice({ info }: { info: PolicyInfo }) {
  const key = useStateStore((state) => state.unnormKey);
  const setKey = useStateStore((state) => state.setUnnormKey);
  if (info.unnormKeys.length < 2) return null;
  return (
    <section>
      <h2>
        <label htmlFor="unnorm-key">Statistics</label>
      </h2>
      <p className="section-hint">The data set whose ranges turn the network’s numbers into real units.</p>
      <select id="unnorm-key" value={key} onChange={(event) => setKey(event.target.value)}>
        {info.unnormKeys.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </section>
  );
}
