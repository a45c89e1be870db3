/** Closing the demonstrations that are open, with a way back. */
import { closeDemonstrations, editEpisode, openedSource } from './open-demonstrations.ts';
import { openDemonstrations } from '../finetune/run-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { loadedPolicy } from '../policy/policy-store.ts';
import { remembered } from '../remembered.ts';
import { canUndo } from '../undo/undo-store.ts';
import { openAgain } from './restore-demonstrations.ts';

export async function closeOpened(): Promise<void> {
  const { demonstrations, origin, edits } = useFineTuneStore.getState();
  const policy = loadedPolicy();
  if (demonstrations.kind !== 'open' || !policy) return;
  const source = openedSource();
  const kept = await remembered(policy.package.hash, 'demonstrations');
  await closeDemonstrations();
  // A run reads them: they are open still.
  if (useFineTuneStore.getState().demonstrations.kind !== 'none') return;
  const undo = async (): Promise<void> => {
    if (origin === 'dataset' && source) return openDemonstrations(source, { origin, edits });
    if (kept) await openAgain(kept);
    // Recordings keep what is changed of them; the expert’s are made anew.
    if (origin !== 'expert') return;
    for (const [index, edit] of Object.entries(edits)) await editEpisode(Number(index), edit);
  };
  canUndo({ said: `“${demonstrations.info.name}” closed.`, about: 'demonstrations', undo });
}
