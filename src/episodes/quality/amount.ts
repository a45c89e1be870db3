/** Whether there is enough to learn from. */
import type { Motion } from './columns.ts';
import type { Finding } from './finding.ts';

/** OpenVLA-OFT's ALOHA tasks were learnt from 20 to 300 demonstrations each; below 10 none is known to work. */
const FEW_EPISODES = 10;

export function fewEpisodes(count: number): Finding[] {
  if (count >= FEW_EPISODES) return [];
  return [
    {
      id: 'few-episodes',
      severity: 'warning',
      episode: null,
      message: `There ${count === 1 ? 'is 1 episode' : `are ${count} episodes`}; 20 to 50 for one task are usual.`,
      hint: 'With so few, the policy learns these recordings rather than the task. Record more, with things in other places.',
    },
  ];
}

/** @param chunkSize steps that a policy predicts at once */
export function tooShort({ index, length }: Motion, chunkSize: number): Finding[] {
  if (length >= chunkSize) return [];
  return [
    {
      id: 'too-short',
      severity: 'warning',
      episode: index,
      message: `The episode has ${length} steps; the policy predicts ${chunkSize} at once, so nothing can be learnt from it.`,
      hint: 'It is left out of training. Record it again, longer, or trim less.',
    },
  ];
}
