import type { CapabilityReport } from '../../workers/boundary/contract.ts';

const verdicts: Record<CapabilityReport['verdict'], string> = {
  ok: 'This machine can run it',
  slow: 'This machine can run it, slowly',
  no: 'This machine cannot run it',
};

const marks: Record<CapabilityReport['checks'][number]['status'], string> = {
  ok: 'OK',
  warn: 'Note',
  fail: 'Not enough',
};

/** Whether this machine can run the package, and what that rests on. Known before any download. */
export function CapabilityView({ report }: { report: CapabilityReport }) {
  const { backend, checks, verdict } = report;
  // The check of the GPU may say the same in its own row.
  const told = checks.some(({ found }) => found === backend.reason);
  return (
    <section className="capability" aria-labelledby="capability-title">
      <h2 id="capability-title" className={`verdict verdict-${verdict}`}>
        {verdicts[verdict]}
      </h2>
      <p>
        Runs on <strong>{backend.backend === 'webgpu' ? 'the GPU (WebGPU)' : 'the processor (WASM)'}</strong>.{' '}
        {!told && backend.reason}
      </p>
      <ul className="checks">
        {checks.map((check) => (
          <li key={check.id} className={`check check-${check.status}`}>
            <span className="check-label">{check.label}</span>
            <span className="check-mark">{marks[check.status]}</span>
            <span className="check-found">
              {check.found}
              <span className="check-needed">needs {check.needed}</span>
            </span>
            {check.status !== 'ok' && check.hint && <span className="check-hint">{check.hint}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
