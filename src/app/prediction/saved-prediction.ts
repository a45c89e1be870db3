/**
 * A prediction as a file: everything that is needed to compute it again elsewhere. Read by the Node tools, so
 * nothing of the DOM here.
 */
import type { BackendReport, PolicyInfo, Prediction } from '../../workers/boundary/contract.ts';

export const SAVED_PREDICTION_FORMAT = 'openvla-web/prediction@1';

export interface SavedFrame {
  /** Name of the image slot. */
  slot: string;
  width: number;
  height: number;
  /** The raw frame exactly as the policy got it, before resize and crop: a lossless PNG as a data URL. */
  png: string;
}

export interface SavedPrediction {
  format: typeof SAVED_PREDICTION_FORMAT;
  /** ISO 8601. */
  savedAt: string;
  package: { name: string; url: string; hash: string };
  backend: BackendReport;
  instruction: string;
  /** Raw state in the units of the policy; null where it takes none. */
  state: number[] | null;
  unnormKey: string;
  /** Seed of the diffusion head's noise; null for the other heads. */
  seed: number | null;
  prompt: string;
  promptTokens: number;
  /** In slot order. */
  frames: SavedFrame[];
  actionNames: PolicyInfo['actions'];
  /** [chunk][actions] in real units. */
  actions: number[][];
  /** [chunk][actions] as the head gives them. */
  normalized: number[][];
  stages: Prediction['stages'];
  elapsedMs: number;
}
