import { create } from 'zustand';
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import type {
  ChunkCheck,
  DemonstrationsInfo,
  EpisodeEdits,
  Finding,
} from '../../workers/boundary/contract-demonstrations.ts';
import type {
  FineTuneEstimate,
  FineTuneOptions,
  FineTuneProgress,
  RunInfo,
  StepPoint,
  ValidationPoint,
} from '../../workers/boundary/contract-finetune.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import type { Failure } from '../status/failure.ts';

export type DemonstrationsStatus =
  | { kind: 'none' }
  | { kind: 'opening'; done: number; total: number }
  | { kind: 'open'; info: DemonstrationsInfo }
  | { kind: 'failed'; failure: Failure };

export type FindingsStatus =
  | { kind: 'none' }
  | { kind: 'looking'; done: number; total: number }
  | { kind: 'found'; findings: readonly Finding[] };

export type EstimateStatus =
  | { kind: 'none' }
  | { kind: 'asking'; last: FineTuneEstimate | null }
  | { kind: 'known'; estimate: FineTuneEstimate }
  | { kind: 'failed'; failure: Failure };

/** Where the demonstrations came from, as far as the page treats them differently. */
export type Origin = 'dataset' | 'expert' | 'recorded';

export interface SampleLook {
  /** Of training. */
  readonly step: number;
  /** Of the episode. */
  readonly at: number;
  readonly check: ChunkCheck;
}

interface FineTuneState {
  origin: Origin;
  /** What is changed of the opened demonstrations, by episode as recorded. */
  edits: EpisodeEdits;
  /** What a review of them found; null before it was asked for. */
  findings: FindingsStatus;
  demonstrations: DemonstrationsStatus;
  options: FineTuneOptions;
  estimate: EstimateStatus;
  /** The run that is going on, or the last one that was. */
  progress: FineTuneProgress | null;
  steps: StepPoint[];
  validations: ValidationPoint[];
  /** One step of the demonstrations, predicted anew as training goes on. */
  looks: readonly SampleLook[];
  runs: RunInfo[];
  adapters: AdapterInfo[];
  /** Id of the adapter in use; null for the policy as it was loaded. */
  active: string | null;
  /** What an export, an import or another action failed with. */
  failure: Failure | null;
  /** Name of the run whose demonstrations are waited for, to resume it. */
  resuming: string | null;
}

/** finetune.py's defaults, but for a number of steps and a batch that suit ten demonstrations and a laptop. */
export const DEFAULT_OPTIONS: FineTuneOptions = {
  run: '',
  seed: 7,
  maxSteps: 200,
  batchSize: 4,
  gradAccumulationSteps: 1,
  learningRate: 5e-4,
  lrWarmupSteps: 0,
  numStepsBeforeDecay: 100_000,
  maxGradNorm: null,
  imageAug: true,
  validationFraction: 0.1,
  valFreq: 20,
  valSamples: 32,
  saveFreq: 20,
  startFrom: null,
  lora: { r: 32, alpha: 16, dropout: 0, targets: 'all-linear' },
  freshModules: false,
  statistics: 'demonstrations',
  demonstrationWeight: 1,
  robot: null,
};

const EMPTY: FineTuneState = {
  origin: 'dataset',
  edits: {},
  findings: { kind: 'none' },
  demonstrations: { kind: 'none' },
  options: DEFAULT_OPTIONS,
  estimate: { kind: 'none' },
  progress: null,
  steps: [],
  validations: [],
  looks: [],
  runs: [],
  adapters: [],
  active: null,
  failure: null,
  resuming: null,
};

/** Everything of the fine-tune panel. Changed by the sessions of fine-tuning and of demonstrations only. */
export const useFineTuneStore = create<FineTuneState>()(() => EMPTY);

/** VLA-Adapter is trained at this rate (the commands of its README). */
const VLA_ADAPTER_LEARNING_RATE = 2e-4;

/** With the defaults of the policy's own training code. */
export function resetFineTune({ centerCrop, head }: Pick<PolicyInfo, 'centerCrop' | 'head'>): void {
  const learningRate = head === 'bridge' ? VLA_ADAPTER_LEARNING_RATE : DEFAULT_OPTIONS.learningRate;
  useFineTuneStore.setState({
    ...EMPTY,
    options: { ...DEFAULT_OPTIONS, imageAug: centerCrop, learningRate },
  });
}
