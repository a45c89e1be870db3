import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { lazyPart } from '../lazy-part.tsx';
import { useTeachStore } from '../teach/teach-store.ts';
import { InstructionField } from '../instruction/instruction-field.tsx';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { doInstruction, startPractice, startShow, stopPractice, whyNotOnTable } from './practice-run.ts';
import { usePracticeStore } from './practice-store.ts';
import { WordsHint } from './words-hint.tsx';

const TeachThis = lazyPart(() => import('../teach/teach-this.tsx'), null);

/** Examples that are shown at once; the others are a click away. */
const EXAMPLES = 4;

/** What the arm is told to do, and what starts and stops it. */
export function Command({ info }: { info: PolicyInfo | null }) {
  const table = usePracticeStore((state) => state.table);
  const run = usePracticeStore((state) => state.run);
  const failure = usePracticeStore((state) => state.failure);
  const text = useInstructionStore((state) => state.text);
  const unfit = info && whyNotOnTable(info);
  const ready = info !== null && !unfit && table !== null;
  const idle = run.kind === 'idle';
  const outcome = usePracticeStore((state) => state.outcome.kind);
  const teaching = useTeachStore(({ phase }) => phase.kind !== 'idle');
  const asksToTeach = teaching || outcome === 'gave-up' || outcome === 'stopped';
  return (
    <section className="command" aria-label="What it should do">
      <InstructionField
        examples={unfit ? [] : (table?.suggestions ?? [])}
        shown={EXAMPLES}
        onExample={(example) => void doInstruction(example)}
        onEnter={() => {
          if (ready && text.trim()) void doInstruction(text);
        }}
        onEdit={() => {
          if (run.kind === 'running' && run.by === 'show') stopPractice();
        }}
      />
      {!unfit && <WordsHint info={info} />}
      <div className="actions">
        {idle ? (
          <button
            type="button"
            className="button-primary button-large"
            disabled={!ready || !text.trim()}
            onClick={() => void startPractice()}
          >
            Do it
          </button>
        ) : (
          <button type="button" className="button-primary button-large" onClick={stopPractice}>
            Stop <kbd>Esc</kbd>
          </button>
        )}
        <button type="button" disabled={!ready || !idle} onClick={() => void startShow()}>
          Play all tasks
        </button>
      </div>
      {asksToTeach && <TeachThis />}
      {unfit && <p className="aside">{unfit}</p>}
      {failure && <FailureNotice failure={failure} />}
    </section>
  );
}
