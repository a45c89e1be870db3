import { describe, expect, it } from 'vitest';
import { rehearsalFor } from '../../src/practice/rehearsal.ts';
import { goalOf, taskNamed, TRAINED_TASKS } from '../../src/practice/tasks.ts';

const asked = (task: string) =>
  Object.fromEntries(rehearsalFor(taskNamed(task).goals).map(({ task: name, episodes }) => [name, episodes]));

describe('what is rehearsed', () => {
  it('is every trained task, and most of what names the same place', () => {
    expect(asked('behind')).toEqual({
      reach: 30,
      push: 30,
      lift: 30,
      plate: 90,
      bowl: 30,
      stack: 30,
      beside: 90,
    });
  });

  it('is most of what is done likewise, where no place is named', () => {
    const taught = [goalOf('lift the red block')!.goal, goalOf('lift the can')!.goal];
    expect(rehearsalFor(taught)).toContainEqual({ task: 'lift', episodes: 90 });
    expect(rehearsalFor(taught)).toContainEqual({ task: 'reach', episodes: 30 });
  });

  it('is all alike for a thing that is new: it is taken for no other', () => {
    for (const task of ['can', 'purple']) expect(new Set(Object.values(asked(task)))).toEqual(new Set([30]));
  });

  it('is not what is taught', () => {
    expect(Object.keys(asked('plate'))).not.toContain('plate');
    const taught = [goalOf('push the red block to the left')!.goal];
    expect(rehearsalFor(taught).map(({ task }) => task)).not.toContain('push');
  });

  it('is all alike where nothing is known of what is taught', () => {
    expect(rehearsalFor([], 8)).toEqual(TRAINED_TASKS.map(({ name }) => ({ task: name, episodes: 8 })));
  });
});
