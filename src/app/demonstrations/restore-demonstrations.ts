/** The demonstrations that were open at the last visit, opened again when the visitor comes to where they are shown. */
import { openDemonstrations } from '../finetune/run-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { isTraining, loadedPolicy } from '../policy/policy-store.ts';
import { openTable } from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { remembered, type RememberedDemonstrations } from '../remembered.ts';
import { openWithRehearsal, recordExpert } from './expert-session.ts';
import { openRecorded } from './recorded-set.ts';

/** Of the picture that the table is opened for before there is one on the page. */
const UNSEEN = { width: 640, height: 400 };

let restoring = false;

/** Does nothing where some are open, or were closed by the visitor. */
export async function restoreDemonstrations(): Promise<void> {
  const info = loadedPolicy();
  const nothingOpen = (): boolean =>
    loadedPolicy() === info && useFineTuneStore.getState().demonstrations.kind === 'none';
  if (!info || restoring || isTraining() || !nothingOpen()) return;
  restoring = true;
  try {
    const kept = await remembered(info.package.hash, 'demonstrations');
    if (kept && nothingOpen()) await openAgain(kept);
  } finally {
    restoring = false;
  }
}

/** Opens them as they were opened before. */
export async function openAgain(kept: RememberedDemonstrations): Promise<void> {
  switch (kept.kind) {
    case 'url':
      return openDemonstrations({
        kind: 'url',
        url: kept.url,
        ...(kept.options && { options: kept.options }),
      });
    case 'recorded':
      // Those of the visitor at once; then with what was mixed in.
      await openRecorded(kept.place);
      if (kept.rehearsalSeed !== null && (await tableOpened())) await openWithRehearsal(kept.rehearsalSeed);
      return;
    default:
      // An earlier version of the page kept neither tasks nor robot.
      if (kept.tasks && (await tableOpened())) await recordExpert(kept);
  }
}

/** @returns whether the table is open; it stands still while it is not shown */
async function tableOpened(): Promise<boolean> {
  await openTable(UNSEEN);
  const { status } = usePracticeStore.getState();
  if (status.kind !== 'opening') return status.kind === 'open';
  return new Promise((resolve) => {
    const unsubscribe = usePracticeStore.subscribe(({ status: { kind } }) => {
      if (kind === 'opening') return;
      unsubscribe();
      resolve(kind === 'open');
    });
  });
}
