import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { useViewStore } from '../view-store.ts';
import { CompareSection } from './compare-section.tsx';
import { useFineTuneStore } from './finetune-store.ts';
import { counted } from '../format.ts';
import { useTraining } from '../policy/policy-store.ts';
import { OptionsSection } from './options-section.tsx';
import { RobotSection } from './robot-section.tsx';
import { RunSection } from './run-section.tsx';
import { SanitySection } from './sanity-section.tsx';
import { AdaptersSection, RunsSection } from './stored-section.tsx';
import { KeptNowhere } from '../status/kept-nowhere.tsx';
import './finetune.css';

/** What is trained on, in a line; without it, the way there. */
function TrainedOn() {
  const demonstrations = useFineTuneStore((state) => state.demonstrations);
  const setStep = useViewStore((state) => state.setStep);
  const open = demonstrations.kind === 'open' ? demonstrations.info : null;
  return (
    <div className="trained-on">
      <p>
        {open ? (
          <>
            On <strong>{open.name}</strong>: {counted(open.episodes.length, 'episode')},{' '}
            {counted(open.samples, 'sample')}
            {open.problems.length > 0 && ' – which this policy cannot be trained on'}.
          </>
        ) : demonstrations.kind === 'opening' ? (
          'The demonstrations are being read…'
        ) : (
          'There are no demonstrations yet: record some, or open a dataset.'
        )}
      </p>
      <button
        type="button"
        className={open ? '' : 'button-primary'}
        onClick={() => setStep('demonstrations')}
      >
        {open ? 'Look at them' : 'Get demonstrations'}
      </button>
    </div>
  );
}

/** Fine-tuning of the loaded policy: settings, the run, what came out, and whether it is any better. */
export default function FineTunePage({ info }: { info: PolicyInfo }) {
  const running = useTraining();
  const fits = useFineTuneStore(
    ({ demonstrations }) => demonstrations.kind === 'open' && demonstrations.info.problems.length === 0,
  );
  return (
    <section className="teach" id="teach" aria-labelledby="teach-title">
      <h2 id="teach-title">Fine-tune</h2>
      <p className="section-hint">
        On this device: LoRA on the network, and the action head and projectors, as OpenVLA-OFT’s finetune.py
        does it.
      </p>
      <KeptNowhere />
      <div className="teach-parts">
        <div className="teach-column">
          <TrainedOn />
          <RobotSection disabled={running} />
          {(fits || running) && <OptionsSection disabled={running} />}
        </div>
        <div className="teach-column">
          <RunSection />
          {fits && <SanitySection />}
          <CompareSection info={info} />
          <RunsSection />
          <AdaptersSection />
        </div>
      </div>
    </section>
  );
}
