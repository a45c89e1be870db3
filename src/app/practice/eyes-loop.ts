/** Keeps what the policy sees of the table that of now. During a run the predictions bring it, but for a table that was laid since the last. */
import type { TableReport } from '../../workers/boundary/contract-practice.ts';
import { tableSeen } from '../camera/seen-frames.ts';
import { failPolicy, policyWorker } from '../policy/policy-session.ts';
import { currentPolicy } from '../policy/policy-store.ts';
import { needsRestart, toFailure } from '../status/failure.ts';
import { useViewStore } from '../view-store.ts';
import { whyNotOnTable } from './practice-run.ts';
import { practiceWorker } from './practice-session.ts';
import { usePracticeStore } from './practice-store.ts';

/** As often as cameras are previewed. A table at rest is not drawn again. */
const INTERVAL_MS = 200;
/** Of no table: it is looked at anew. */
const UNSEEN = -1;

/** What the pictures on show are of; null where there are none. */
let pictured: TableReport | null = null;
/** How often they were changed, by whomever. */
let changes = 0;

/** Whether the policy in use can look at this table. */
function fits(): boolean {
  const info = currentPolicy();
  return info !== null && whyNotOnTable(info) === null;
}

function looking(): boolean {
  const { status, run, table } = usePracticeStore.getState();
  const { view, step } = useViewStore.getState();
  return (
    fits() &&
    status.kind === 'open' &&
    // A run shows what it predicts from; before its first prediction on a table the pictures are of the one before. A replay predicts nothing.
    (run.kind === 'idle' || run.kind === 'replaying' || pictured !== table) &&
    view === 'table' &&
    (step === 'run' || step === 'demonstrations') &&
    !document.hidden
  );
}

/** One look. @param shown of the table that is shown now @returns that of the table that is shown then */
async function lookOnce(shown: number): Promise<number> {
  const { table } = usePracticeStore.getState();
  const before = changes;
  const found = await practiceWorker().glance(shown);
  if (!found) return shown;
  const images = await policyWorker().preview(found.images);
  // Meanwhile a prediction has come, whose pictures are newer; or it was laid anew.
  if (!looking() || changes !== before || usePracticeStore.getState().table !== table) return UNSEEN;
  images.forEach((image, index) => tableSeen.set(index, image));
  return found.revision;
}

/** Starts the loop; call the result to end it. */
export function startEyesLoop(): () => void {
  let timer = 0;
  let ended = false;
  let shown = UNSEEN;
  let policy = '';
  const unsubscribe = tableSeen.subscribe(() => {
    changes++;
    pictured = tableSeen.get(0) ? usePracticeStore.getState().table : null;
  });
  const tick = async (): Promise<void> => {
    const hash = currentPolicy()?.package.hash ?? '';
    if (hash !== policy) {
      policy = hash;
      shown = UNSEEN;
      tableSeen.clearAll();
    }
    if (looking()) {
      try {
        shown = await lookOnce(shown);
      } catch (error) {
        // Rather no picture than an old one.
        shown = UNSEEN;
        tableSeen.clearAll();
        const failure = toFailure(error);
        if (currentPolicy() && needsRestart(failure.code)) failPolicy(failure);
      }
    } else {
      shown = UNSEEN;
      // Nobody renews them: those of a table that has changed since would be kept for good.
      if (!fits()) tableSeen.clearAll();
    }
    if (!ended) timer = window.setTimeout(() => void tick(), INTERVAL_MS);
  };
  void tick();
  return () => {
    ended = true;
    unsubscribe();
    clearTimeout(timer);
  };
}
