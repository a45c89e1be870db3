/** One episode on show: its numbers, the frames at the step that is looked at, a film strip, and what the policy says to it. */
import { create } from 'zustand';
import type {
  ChunkCheck,
  EpisodeEdit,
  EpisodeTrack,
} from '../../workers/boundary/contract-demonstrations.ts';
import type { RawImage } from '../../workers/boundary/contract.ts';
import { editEpisode, editsNotKept } from './open-demonstrations.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { toFailure, type Failure } from '../status/failure.ts';
import { canUndo } from '../undo/undo-store.ts';
import { beforeEdit, editWord } from './edit-words.ts';
import { keepEdit } from './recorded-set.ts';

/** Frames of the film strip. */
export const STRIP = 8;

interface ShownEpisode {
  /** Null while none is chosen, or it is being read. */
  track: EpisodeTrack | null;
  step: number;
  /** One per camera, at `step`. */
  frames: readonly RawImage[];
  /** Of the first camera, evenly over the episode. */
  strip: readonly { readonly step: number; readonly image: RawImage }[];
  check: { readonly step: number; readonly chunk: ChunkCheck } | null;
  checking: boolean;
  /** Why the policy could not be asked. */
  checkFailure: Failure | null;
  failure: Failure | null;
}

const EMPTY: ShownEpisode = {
  track: null,
  step: 0,
  frames: [],
  strip: [],
  check: null,
  checking: false,
  checkFailure: null,
  failure: null,
};

export const useEpisodeStore = create<ShownEpisode>()(() => EMPTY);

const set = useEpisodeStore.setState;
let shown = 0;

function cameras(): string[] {
  const { demonstrations } = useFineTuneStore.getState();
  return demonstrations.kind === 'open' ? demonstrations.info.cameras.map(({ name }) => name) : [];
}

export async function showEpisode(index: number | null): Promise<void> {
  const mine = ++shown;
  set(EMPTY);
  if (index === null) return;
  try {
    const track = await policyWorker().demonstrations.episode(index);
    if (mine !== shown) return;
    set({ track });
    await showStep(0);
    const [first] = cameras();
    if (!first || mine !== shown) return;
    const steps = Array.from({ length: Math.min(STRIP, track.length) }, (_, i) =>
      Math.round((i * (track.length - 1)) / Math.max(1, Math.min(STRIP, track.length) - 1)),
    );
    const images = await policyWorker().demonstrations.frames(index, first, steps);
    if (mine === shown) set({ strip: steps.map((step, i) => ({ step, image: images[i]! })) });
  } catch (error) {
    if (mine === shown) set({ failure: toFailure(error) });
  }
}

let wanted = -1;
let reading = false;

/** Shows another step; while one is being decoded only the newest wish counts. */
export async function showStep(step: number): Promise<void> {
  const { track } = useEpisodeStore.getState();
  if (!track) return;
  set({ step });
  wanted = step;
  if (reading) return;
  reading = true;
  try {
    while (wanted >= 0) {
      const now = wanted;
      wanted = -1;
      const frames: RawImage[] = [];
      for (const camera of cameras())
        frames.push(...(await policyWorker().demonstrations.frames(track.index, camera, [now])));
      if (useEpisodeStore.getState().track === track) set({ frames });
    }
  } catch (error) {
    set({ failure: toFailure(error) });
  } finally {
    reading = false;
  }
}

let listed = '';

/** Demonstrations just opened show something of themselves: the newest recording, or a dataset's first episode. */
function follow({ demonstrations, origin }: ReturnType<typeof useFineTuneStore.getState>): void {
  if (demonstrations.kind === 'opening') return;
  const info = demonstrations.kind === 'open' ? demonstrations.info : null;
  const now = info ? `${info.name} ${info.recorded.length}` : '';
  if (now === listed) return;
  listed = now;
  const own = info?.recorded.filter(({ rehearsal }) => !rehearsal);
  const first = origin === 'recorded' ? own?.at(-1) : own?.[0];
  void showEpisode(first?.index ?? null);
}

follow(useFineTuneStore.getState());
useFineTuneStore.subscribe(follow);

/** Upstream's first sanity check: a training frame through the policy, beside what was recorded. */
export async function checkStep(): Promise<void> {
  const { track, step } = useEpisodeStore.getState();
  if (!track) return;
  set({ checking: true, checkFailure: null });
  try {
    const chunk = await policyWorker().demonstrations.check(track.index, step);
    set({ check: { step, chunk } });
  } catch (error) {
    set({ checkFailure: toFailure(error) });
  } finally {
    set({ checking: false });
  }
}

/** Changes what is trained on, and remembers it; there is a way back from the moment on that it is shown. */
export async function changeEpisode(index: number, change: EpisodeEdit): Promise<void> {
  const { demonstrations, edits } = useFineTuneStore.getState();
  if (demonstrations.kind !== 'open') return;
  const before = beforeEdit(edits[index], change);
  const number = 1 + demonstrations.info.recorded.findIndex((episode) => episode.index === index);
  if (!(await editEpisode(index, change))) return;
  canUndo({
    said: `Episode ${number} ${editWord(change)}.`,
    about: 'demonstrations',
    undo: async () => {
      if (!(await editEpisode(index, before)))
        throw useFineTuneStore.getState().failure ?? new Error('These demonstrations are not open any more.');
      await keep(index);
    },
  });
  await keep(index);
}

/** What is changed is in use whether or not it can be kept for the next visit. */
async function keep(index: number): Promise<void> {
  const { edits, origin } = useFineTuneStore.getState();
  if (origin !== 'recorded' || !edits[index]) return;
  await keepEdit(index, edits[index]).catch(() => useFineTuneStore.setState({ failure: editsNotKept }));
}
