/** Keeps what the policy sees of the table that of now while nothing is predicted. During a run the predictions bring it. */
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

function looking(): boolean {
  const { status, run } = usePracticeStore.getState();
  const { view, step } = useViewStore.getState();
  const info = currentPolicy();
  return (
    info !== null &&
    whyNotOnTable(info) === null &&
    status.kind === 'open' &&
    run.kind === 'idle' &&
    view === 'table' &&
    (step === 'run' || step === 'demonstrations') &&
    !document.hidden
  );
}

/** One look. @param shown of the table that is shown now @returns that of the table that is shown then */
async function lookOnce(shown: number): Promise<number> {
  const found = await practiceWorker().glance(shown);
  if (!found) return shown;
  const images = await policyWorker().preview(found.images);
  // Meanwhile a run has begun, whose predictions are newer.
  if (!looking()) return UNSEEN;
  images.forEach((image, index) => tableSeen.set(index, image));
  return found.revision;
}

/** Starts the loop; call the result to end it. */
export function startEyesLoop(): () => void {
  let timer = 0;
  let ended = false;
  let shown = UNSEEN;
  let policy = '';
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
    } else shown = UNSEEN;
    if (!ended) timer = window.setTimeout(() => void tick(), INTERVAL_MS);
  };
  void tick();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
