import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { understand } from '../../practice/vocabulary.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { isShippedPolicy } from '../url-state.ts';
import { doInstruction } from './practice-run.ts';
import { usePracticeStore } from './practice-store.ts';
import { hintFor } from './words-text.ts';

/** What the policy makes of the words, and the nearest instruction that it knows. */
export function WordsHint({ info }: { info: PolicyInfo | null }) {
  const text = useInstructionStore((state) => state.text);
  const table = usePracticeStore((state) => state.table);
  const judged = usePracticeStore((state) => state.judged);
  const adapter = useFineTuneStore(
    ({ active, adapters }) => adapters.find(({ id }) => id === active)?.label ?? active,
  );
  if (!table) return null;
  const { said, nearest } = hintFor({
    // What another policy learnt, nobody here knows.
    understanding: info && !isShippedPolicy(info.package.url) ? null : understand(text, table.objects),
    judged: judged || !text.trim(),
    adapter,
  });
  // Always there: what appears in it is then read out.
  return (
    <div className="words-hint" aria-live="polite">
      {said && <p>{said}</p>}
      {nearest && (
        <p>
          Try:{' '}
          <button type="button" className="chip" disabled={!info} onClick={() => void doInstruction(nearest)}>
            {nearest}
          </button>
        </p>
      )}
    </div>
  );
}
