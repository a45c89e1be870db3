import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { AdaptersSection } from '../finetune/stored-section.tsx';
import { ModelsSection } from './models-section.tsx';
import '../finetune/finetune.css';
import '../share/share.css';

/** The policies and adapters on this device, and which of them is in use. */
export default function ModelsPage({ info }: { info: PolicyInfo }) {
  return (
    <div className="share">
      <section className="share-part" aria-labelledby="models-page-title">
        <h2 id="models-page-title">Models</h2>
        <p className="section-hint">
          Loaded: <strong>{info.package.name}</strong>. {info.package.description} Choose below which version
          of it is active: the original, or one that was fine-tuned.
        </p>
      </section>
      <AdaptersSection />
      <ModelsSection key={info.package.hash} />
    </div>
  );
}
