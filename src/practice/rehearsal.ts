/** What is rehearsed while something new is taught, so that it is not forgotten. */
import type { Goal } from './goal.ts';
import { TRAINED_TASKS, type Task } from './tasks.ts';

/** Episodes of the easiest trained tasks; of the others as many times more as pretraining draws them oftener. */
export const REHEARSAL_EPISODES = 12;
/** Times as many of one that is near to it, with things the policy knows: that is what it takes the new task for. */
const NEAR = 3;
/** Share of these that is shown on the tables of the demonstrations. */
const SAME_TABLES = 0.5;

export interface Rehearsal {
  readonly task: string;
  readonly episodes: number;
  /** On the tables of the demonstrations, with the thing that was moved there: then it is the words alone that make the difference. */
  readonly sameTables: boolean;
}

/**
 * @param taught goals of the demonstrations, as far as they are known
 * @param base episodes of the easiest task that is not near
 */
export function rehearsalFor(taught: readonly Goal[], base = REHEARSAL_EPISODES): Rehearsal[] {
  const mistakable = taught.filter(({ target }) => KNOWN.has(target));
  return TRAINED_TASKS.filter((task) => !holdsAll(task, taught)).flatMap((task) => {
    const near = isNear(task, mistakable);
    const episodes = base * task.weight * (near ? NEAR : 1);
    const same = near ? Math.round(SAME_TABLES * episodes) : 0;
    return [
      { task: task.name, episodes: same, sameTables: true },
      { task: task.name, episodes: episodes - same, sameTables: false },
    ].filter((rehearsal) => rehearsal.episodes > 0);
  });
}

/** What the policy was trained to move: one that it never met it takes for none of them. */
const KNOWN = new Set(TRAINED_TASKS.flatMap(({ goals }) => goals.map(({ target }) => target)));

/** It is this task that is taught: there is nothing to rehearse of it. */
function holdsAll(task: Task, taught: readonly Goal[]): boolean {
  const own = new Set(task.goals.map((goal) => JSON.stringify(goal)));
  return taught.length > 0 && taught.every((goal) => own.has(JSON.stringify(goal)));
}

/** Some of it names the same place as what is taught, or where that names none, asks for the same to be done. */
function isNear(task: Task, taught: readonly Goal[]): boolean {
  return task.goals.some((goal) =>
    taught.some((other) =>
      'destination' in other
        ? 'destination' in goal && goal.destination === other.destination
        : goal.kind === other.kind,
    ),
  );
}
