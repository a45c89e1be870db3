/** What is rehearsed while something new is taught, so that it is not forgotten. */
import type { Goal } from './goal.ts';
import { TRAINED_TASKS, type Task } from './tasks.ts';

/** Episodes of the easiest trained tasks; of the others as many times more as pretraining draws them oftener. */
export const REHEARSAL_EPISODES = 12;
/** Times as many of one that is like it, and of one that is as good as the same: those are what a policy takes a new task for. */
const LIKE = 2;
const NEAR = 3;

export interface Rehearsal {
  readonly task: string;
  readonly episodes: number;
}

/**
 * @param taught goals of the demonstrations, as far as they are known
 * @param base episodes of the easiest task that is not near
 */
export function rehearsalFor(taught: readonly Goal[], base = REHEARSAL_EPISODES): Rehearsal[] {
  const mistakable = taught.filter(({ target }) => KNOWN.has(target));
  return TRAINED_TASKS.filter((task) => !holdsAll(task, taught)).map((task) => ({
    task: task.name,
    episodes: base * task.weight * nearness(task, mistakable),
  }));
}

/** What the policy was trained to move: one that it never met it takes for none of them. */
const KNOWN = new Set(TRAINED_TASKS.flatMap(({ goals }) => goals.map(({ target }) => target)));

/** It is this task that is taught: there is nothing to rehearse of it. */
function holdsAll(task: Task, taught: readonly Goal[]): boolean {
  const own = new Set(task.goals.map((goal) => JSON.stringify(goal)));
  return taught.length > 0 && taught.every((goal) => own.has(JSON.stringify(goal)));
}

/** Like it is what asks for the same to be done; nearer still what does so at the same place, where it has one. */
function nearness(task: Task, taught: readonly Goal[]): number {
  const pairs = task.goals.flatMap((goal) => taught.map((other) => [goal, other] as const));
  const alike = pairs.filter(([goal, other]) => goal.kind === other.kind);
  if (alike.length === 0) return 1;
  return alike.some(([goal, other]) => placeNamed(goal) === placeNamed(other)) ? NEAR : LIKE;
}

const placeNamed = (goal: Goal) => ('destination' in goal ? goal.destination : null);
