/** How a dataset is read: what the readers, the page and the record of a run say to each other. */

/** Which recorded feature is which input of a policy. */
export interface FeatureMapping {
  readonly action: string;
  /** Several are joined in this order; empty where no state is used. */
  readonly state: readonly string[];
  readonly cameras: readonly string[];
}

/** How the files were read: shown to the user, who may choose otherwise with `OpenOptions`. */
export interface DatasetReading {
  /** All that was recorded, used or not. */
  readonly features: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
  readonly mapping: FeatureMapping;
  /** What openvla-oft does with a dataset of this name before it trains on it; null where it does nothing. */
  readonly standardisation: {
    readonly name: string;
    readonly applied: boolean;
    readonly does: string;
  } | null;
  /** Degrees by which pictures are turned; 0 where they are as stored. */
  readonly turned: 0 | 180;
}

export interface OpenOptions {
  /** Default: found by name. */
  readonly mapping?: FeatureMapping;
  /** Default: where openvla-oft knows the dataset by its name. */
  readonly standardise?: boolean;
  /** Default: where upstream turns the pictures of this kind of file. */
  readonly turned?: 0 | 180;
}

/** What asks for the same reading again. */
export function optionsOf({ mapping, standardisation, turned }: DatasetReading): Required<OpenOptions> {
  return { mapping, standardise: standardisation?.applied ?? false, turned };
}

/** How a dataset is read, in words: `action: actions; state: ee_states, gripper_states; cameras: agentview_rgb`. */
export function readingText({ mapping, standardise = false, turned = 0 }: OpenOptions): string {
  const parts = mapping
    ? [
        `action: ${mapping.action}`,
        `state: ${mapping.state.join(', ') || 'none'}`,
        `cameras: ${mapping.cameras.join(', ') || 'none'}`,
      ]
    : [];
  if (standardise) parts.push('standardised as openvla-oft does');
  if (turned !== 0) parts.push(`pictures turned by ${turned}°`);
  return parts.join('; ');
}
