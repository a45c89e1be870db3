import { useEffect } from 'react';
import type { PolicyInfo } from '../../workers/contract.ts';
import { DemonstrationsSection } from './demonstrations-section.tsx';
import { refreshRuns } from './finetune-session.ts';
import { isRunning, resetFineTune, useFineTuneStore } from './finetune-store.ts';
import { OptionsSection } from './options-section.tsx';
import { RunSection } from './run-section.tsx';
import { AdaptersSection, RunsSection } from './stored-section.tsx';
import './finetune.css';

/** Fine-tuning of the loaded policy: demonstrations, settings, the run, and what came out. */
export default function FineTunePanel({ info }: { info: PolicyInfo }) {
  const running = useFineTuneStore((state) => isRunning(state.progress));
  const fits = useFineTuneStore(
    ({ demonstrations }) => demonstrations.kind === 'open' && demonstrations.info.problems.length === 0,
  );
  useEffect(() => {
    resetFineTune(info.centerCrop);
    void refreshRuns();
  }, [info]);
  return (
    <div className="teach-parts">
      <RunsSection />
      <DemonstrationsSection />
      {(fits || running) && <OptionsSection disabled={running} />}
      <RunSection />
      <AdaptersSection />
    </div>
  );
}
