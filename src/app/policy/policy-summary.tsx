import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { DeleteButton } from '../controls/delete-button.tsx';
import { Facts } from '../controls/facts.tsx';
import { formatBytes, formatCount } from '../format.ts';
import { useRunStore } from '../prediction/run-store.ts';
import { useViewStore } from '../view-store.ts';
import { gpuLines, gpuWarning } from './gpu-words.ts';
import { PackagePicker } from './package-picker.tsx';
import { RunOnChoice } from './run-on-choice.tsx';
import { removePolicy } from './policy-session.ts';
import './policy.css';

const heads: Record<PolicyInfo['head'], string> = {
  l1: 'L1 regression head',
  diffusion: 'diffusion head',
  discrete: 'discrete action tokens',
  autoregressive: 'action tokens one after the other',
  bridge: 'attention over all layers',
};

function adapterName({ backend }: PolicyInfo): string {
  if (!backend.adapter) return backend.backend === 'wasm' ? 'not asked for' : 'none found';
  const { vendor, architecture, description } = backend.adapter;
  return description || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed';
}

/** The loaded policy in two lines, with the rest behind a disclosure. */
export function PolicySummary({ info }: { info: PolicyInfo }) {
  const running = useRunStore((state) => state.status.kind !== 'idle');
  const setStep = useViewStore((state) => state.setStep);
  const { backend, package: loaded } = info;
  const warning = backend.gpu && gpuWarning(backend.gpu);
  const steps = info.diffusionSteps === null ? '' : `, ${info.diffusionSteps} DDIM steps`;
  return (
    <section className="summary" aria-labelledby="policy-title">
      <h2 id="policy-title">{loaded.name}</h2>
      <p className="package-about">{loaded.description}</p>
      <p className="summary-backend" data-backend={backend.backend}>
        <span className="tag">{backend.backend === 'webgpu' ? 'WebGPU' : 'WASM'}</span> {backend.reason}
      </p>
      {warning && (
        <p className="notice notice-calm" role="status">
          {warning} The details are under “About this policy”.
        </p>
      )}
      {!loaded.stored && (
        <p className="notice notice-calm" role="status">
          This device has no room to keep the policy: it is fetched again at the next visit.
        </p>
      )}
      {info.repaired.length > 0 && (
        <p className="summary-repaired" role="status">
          {info.repaired.join(', ')} {info.repaired.length === 1 ? 'was' : 'were'} damaged and fetched again.
        </p>
      )}
      <RunOnChoice />
      <button type="button" onClick={() => setStep('demonstrations')}>
        Check it on a dataset of yours
      </button>
      <details>
        <summary>About this policy</summary>
        <Facts
          facts={[
            ['Head', heads[info.head] + steps],
            ['Chunk', `${info.chunkSize} actions at ${info.controlHz} Hz`],
            ['Size', `${formatBytes(loaded.byteLength)}, ${formatCount(loaded.parameters)} parameters`],
            ['GPU adapter', adapterName(info)],
            ['Processor threads', backend.threads],
            [
              'Manifest SHA-256',
              <code key="hash" className="hash">
                {loaded.hash}
              </code>,
            ],
          ]}
        />
        {backend.gpu && (
          <details className="gpu-diagnosis">
            <summary>Diagnosis of the GPU</summary>
            <ul>
              {gpuLines(backend.gpu).map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          </details>
        )}
        <PackagePicker />
        <div className="actions">
          <DeleteButton
            label="Remove from this device"
            disabled={running}
            onDelete={() => void removePolicy()}
          />
        </div>
      </details>
    </section>
  );
}
