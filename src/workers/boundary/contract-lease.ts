/** What the page is told about who has the policy. */

/**
 * `idle → loading → ready ⇄ (predicting | training | switching) → disposing → idle`. Without a policy it is `idle`; while a run has it,
 * the state goes to and fro between `training` and `predicting`, as predictions are answered between steps.
 */
export type LeaseKind = 'idle' | 'loading' | 'ready' | 'predicting' | 'training' | 'switching' | 'disposing';

export interface LeaseState {
  readonly kind: LeaseKind;
  /** Name of the run that has the policy, from its preparation until it has let go; null without one. */
  readonly run: string | null;
}

/** What can be asked to stop. What has been asked of it rejects with code `cancelled`; a run ends with a checkpoint instead. */
export type Cancellable = 'loading' | 'predicting' | 'switching' | 'training';
