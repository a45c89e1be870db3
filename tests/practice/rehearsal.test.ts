import { describe, expect, it } from 'vitest';
import type { Goal } from '../../src/practice/goal.ts';
import { rehearsalFor } from '../../src/practice/rehearsal.ts';
import { goalOf, taskNamed, TRAINED_TASKS } from '../../src/practice/tasks.ts';

/** Episodes by task, those on the demonstrations' tables included. */
const asked = (goals: readonly Goal[]) => {
  const episodes: Record<string, number> = {};
  for (const { task, episodes: more } of rehearsalFor(goals)) episodes[task] = (episodes[task] ?? 0) + more;
  return episodes;
};
const sameTables = (goals: readonly Goal[]) =>
  rehearsalFor(goals).flatMap((rehearsal) => (rehearsal.sameTables ? [rehearsal] : []));

describe('what is rehearsed', () => {
  it('is every trained task, the hard ones oftener, and most of what names the same place', () => {
    expect(asked(taskNamed('behind').goals)).toEqual({
      reach: 12,
      push: 36,
      lift: 12,
      plate: 72,
      bowl: 24,
      stack: 36,
      beside: 180,
    });
  });

  it('is shown on the tables of the demonstrations to a half, where it is near to them', () => {
    expect(sameTables(taskNamed('behind').goals)).toEqual([
      { task: 'plate', episodes: 36, sameTables: true },
      { task: 'beside', episodes: 90, sameTables: true },
    ]);
    expect(sameTables(taskNamed('can').goals)).toEqual([]);
  });

  it('is most of what is done likewise, where no place is named', () => {
    const taught = [goalOf('lift the red block')!.goal, goalOf('lift the can')!.goal];
    expect(asked(taught)).toMatchObject({ lift: 36, reach: 12 });
  });

  it('is near to nothing where a thing is new: it is taken for no other', () => {
    for (const task of ['can', 'purple'])
      expect(asked(taskNamed(task).goals)).toEqual({
        reach: 12,
        push: 36,
        lift: 12,
        plate: 24,
        bowl: 24,
        stack: 36,
        beside: 60,
      });
  });

  it('is not what is taught', () => {
    expect(Object.keys(asked(taskNamed('plate').goals))).not.toContain('plate');
    const taught = [goalOf('push the red block to the left')!.goal];
    expect(rehearsalFor(taught).map(({ task }) => task)).not.toContain('push');
  });

  it('is as in pretraining where nothing is known of what is taught', () => {
    expect(rehearsalFor([], 8)).toEqual(
      TRAINED_TASKS.map(({ name, weight }) => ({ task: name, episodes: 8 * weight, sameTables: false })),
    );
  });
});
