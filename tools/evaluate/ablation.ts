/** Policies with one sense taken away: what is left must be chance. */
import type { EpisodeOptions } from '../../src/practice/evaluate.ts';
import type { Assignment } from '../../src/practice/tasks.ts';

export const ABLATIONS = ['none', 'instruction', 'images'] as const;
export type Ablation = (typeof ABLATIONS)[number];

type Senses = Pick<EpisodeOptions, 'predict' | 'observe' | 'instruction'>;

type Image = Awaited<ReturnType<EpisodeOptions['observe']>>[number];

const grey = (image: Image): Image => ({
  ...image,
  data: new Uint8ClampedArray(image.data.length).fill(128),
});

/** `instruction`: the policy is told another goal of the same task at random. `images`: it sees grey. */
export function ablated(ablation: Ablation, { task, goal, seed }: Assignment, senses: Senses): Senses {
  if (ablation === 'instruction') {
    // As a policy that does not listen would choose: any goal of the task, the right one among them.
    const told = task.goals[seed % task.goals.length] ?? goal;
    return { ...senses, instruction: task.phrasings(told)[0]! };
  }
  if (ablation === 'images') {
    return { ...senses, observe: async (table) => (await senses.observe(table)).map(grey) };
  }
  return senses;
}
