/** What no file of upstream's tells, as its code and command lines have it: said to people, who know. */
import type { PolicyConfig } from '../model/policy/config.ts';

/** A sentence. */
export function assumedOf(
  config: Pick<PolicyConfig, 'profile' | 'centerCrop' | 'diffusion' | 'head'>,
): string {
  const { profile, centerCrop, diffusion, head } = config;
  const { chunkSize, normalization, state } = profile;
  const cameras = profile.images.length;
  const oneByOne = head === 'autoregressive';
  const things = [
    `a robot like "${profile.name}"`,
    `${cameras} image${cameras === 1 ? '' : 's'}`,
    oneByOne
      ? ''
      : `chunks of ${chunkSize} actions between ${normalization === 'bounds' ? 'min and max' : 'q01 and q99'}`,
    `${centerCrop ? '' : 'no '}image augmentation in training`,
    diffusion ? `${diffusion.trainSteps} diffusion steps in training` : '',
    state || oneByOne ? '' : 'no state input, since there is no proprio projector',
  ];
  return `The files do not tell, so these are assumed: ${things.filter(Boolean).join(', ')}.`;
}
