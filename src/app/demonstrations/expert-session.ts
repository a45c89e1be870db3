/** Demonstrations of the practice table's expert, handed to the policy worker. */
import type { RecordedDemonstrations } from '../../workers/contract-practice.ts';
import { practiceWorker, randomSeed } from '../practice/practice-session.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { toFailure } from '../status/failure.ts';
import { openDemonstrations, setOptions } from '../finetune/finetune-session.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { EXPERT_OPTIONS, REHEARSAL_EPISODES } from '../finetune/expert-options.ts';

export async function recordExpert(request: {
  readonly task: string;
  readonly episodes: number;
  readonly rehearse: boolean;
}): Promise<void> {
  const { status } = usePracticeStore.getState();
  if (status.kind !== 'open') return;
  const others = request.rehearse
    ? status.tasks.filter(({ name, heldOut }) => !heldOut && name !== request.task)
    : [];
  const total = request.episodes + others.length * REHEARSAL_EPISODES;
  const set = useFineTuneStore.setState;
  let before = 0;
  const onProgress = (done: number) =>
    set({ demonstrations: { kind: 'opening', done: before + done, total } });
  onProgress(0);
  try {
    const worker = practiceWorker();
    const seed = randomSeed();
    const recorded = await worker.demonstrate(request.task, request.episodes, seed, onProgress);
    const episodes: RecordedDemonstrations['episodes'][number][] = [...recorded.episodes];
    for (const { name } of others) {
      before = episodes.length;
      episodes.push(...(await worker.demonstrate(name, REHEARSAL_EPISODES, seed, onProgress)).episodes);
    }
    setOptions({ ...EXPERT_OPTIONS, run: `${request.task} ${seed}` });
    await openDemonstrations(
      { kind: 'recorded', recorded: { ...recorded, episodes } },
      { origin: 'expert', edits: {} },
    );
  } catch (error) {
    set({ demonstrations: { kind: 'failed', failure: toFailure(error) } });
  }
}
