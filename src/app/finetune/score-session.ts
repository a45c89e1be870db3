/** Upstream's first sanity check: what the policy makes of frames it was trained on. The score belongs to what predicted, and to these demonstrations. */
import { create } from 'zustand';
import type { ChunkCheck, DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { currentPolicy, isTraining } from '../policy/policy-store.ts';
import { toFailure, type Failure } from '../status/failure.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { predictorName } from './predictor-name.ts';

/** Training frames that are put through the policy. */
export const FRAMES = 24;

export interface ScoredFrame {
  readonly episode: number;
  readonly step: number;
  readonly check: ChunkCheck;
}

interface ScoreState {
  readonly frames: readonly ScoredFrame[];
  /** What predicted them, for people. */
  readonly by: string;
  /** The demonstrations they are of. */
  readonly fingerprint: string;
  /** Frames to go; null while none is checked. */
  readonly left: number | null;
  readonly failure: Failure | null;
}

const NONE: ScoreState = { frames: [], by: '', fingerprint: '', left: null, failure: null };

export const useScoreStore = create<ScoreState>()(() => NONE);

const set = useScoreStore.setState;

/** Of a moment: another adapter or run means another predictor. */
const predictor = (): string => `${useFineTuneStore.getState().active} ${isTraining()}`;

/** Evenly over all episodes and their steps. */
function places(info: DemonstrationsInfo, chunk: number): { episode: number; step: number }[] {
  const usable = info.episodes.filter(({ length }) => length >= chunk);
  if (usable.length === 0) return [];
  return Array.from({ length: Math.min(FRAMES, info.samples) }, (_, i) => {
    const { index, length } = usable[Math.floor((i * usable.length) / FRAMES) % usable.length]!;
    return { episode: index, step: Math.round(((i % 4) / 3) * (length - chunk)) };
  });
}

/** Checks some frames of the demonstrations that are open; ends early where something else predicts meanwhile. */
export async function scoreFrames(info: DemonstrationsInfo): Promise<void> {
  const policy = currentPolicy();
  if (!policy) return;
  const mine = predictor();
  const wanted = places(info, policy.chunkSize);
  set({ ...NONE, by: predictorName(), fingerprint: info.fingerprint, left: wanted.length });
  try {
    for (const [done, place] of wanted.entries()) {
      set({ left: wanted.length - done });
      const check = await policyWorker().demonstrations.check(place.episode, place.step, true);
      if (predictor() !== mine) {
        set(NONE);
        return;
      }
      set(({ frames }) => ({ frames: [...frames, { ...place, check }] }));
    }
  } catch (error) {
    set({ failure: toFailure(error) });
  } finally {
    set({ left: null });
  }
}
