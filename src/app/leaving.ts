/** What would be lost by leaving, and asking before it is. */
import { useExportStore } from './demonstrations/export-store.ts';
import { useRecorderStore } from './demonstrations/recorder-store.ts';
import { useCompareStore } from './finetune/compare-store.ts';
import { useFineTuneStore } from './finetune/finetune-store.ts';
import { isTraining } from './policy/policy-store.ts';
import { usePracticeStore } from './practice/practice-store.ts';
import { useShareStore } from './share/share-store.ts';

/** What ends when the visitor goes to another place of the page; null where nothing does. */
export function endsByGoing(): string | null {
  const { status } = useRecorderStore.getState();
  if (status.kind === 'saving') return 'An episode is being saved.';
  if (status.kind === 'recording' && status.steps > 0) return 'The episode being recorded would be lost.';
  if (useCompareStore.getState().running) return 'The comparison would stop.';
  if (usePracticeStore.getState().run.kind === 'trials') return 'The trials would stop.';
  return null;
}

/** What must not be disturbed by taking something back; null where nothing must. */
export function goesOn(): string | null {
  if (useRecorderStore.getState().status.kind !== 'idle') return 'An episode is being recorded.';
  if (useCompareStore.getState().running || usePracticeStore.getState().run.kind === 'trials')
    return 'Trials are running.';
  if (isTraining()) return 'A run is training.';
  return null;
}

/** What ends when the page is closed or loaded anew; null where nothing does. */
export function endsByClosing(): string | null {
  if (isTraining()) return 'The run would stop at its last checkpoint.';
  if (useShareStore.getState().work.kind === 'uploading') return 'The upload would stop.';
  if (useExportStore.getState().status.kind === 'writing') return 'The export would stop.';
  if (useFineTuneStore.getState().demonstrations.kind === 'opening') return 'Demonstrations are being made.';
  return endsByGoing();
}

/** Whether the visitor goes, asked where that would end something. */
export function mayGo(): boolean {
  const lost = endsByGoing();
  return lost === null || window.confirm(`${lost} Leave anyway?`);
}

/** The browser asks, in its own words, before the page goes with something at stake. */
export function askBeforeClosing(): void {
  window.addEventListener('beforeunload', (event) => {
    if (endsByClosing() !== null) event.preventDefault();
  });
}
