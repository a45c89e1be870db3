import { describe, expect, it } from 'vitest';
import { rehearsalFor } from '../../src/practice/rehearsal.ts';
import { goalOf, taskNamed, TRAINED_TASKS } from '../../src/practice/tasks.ts';

const asked = (task: string) =>
  Object.fromEntries(rehearsalFor(taskNamed(task).goals).map(({ task: name, episodes }) => [name, episodes]));

describe('what is rehearsed', () => {
  it('is every trained task, the hard ones oftener, and most of what names the same place', () => {
    expect(asked('behind')).toEqual({
      reach: 12,
      push: 36,
      lift: 12,
      plate: 72,
      bowl: 24,
      stack: 36,
      beside: 180,
    });
  });

  it('is most of what is done likewise, where no place is named', () => {
    const taught = [goalOf('lift the red block')!.goal, goalOf('lift the can')!.goal];
    expect(rehearsalFor(taught)).toContainEqual({ task: 'lift', episodes: 36 });
    expect(rehearsalFor(taught)).toContainEqual({ task: 'reach', episodes: 12 });
  });

  it('is near to nothing where a thing is new: it is taken for no other', () => {
    for (const task of ['can', 'purple'])
      expect(asked(task)).toEqual({
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
    expect(Object.keys(asked('plate'))).not.toContain('plate');
    const taught = [goalOf('push the red block to the left')!.goal];
    expect(rehearsalFor(taught).map(({ task }) => task)).not.toContain('push');
  });

  it('is as in pretraining where nothing is known of what is taught', () => {
    expect(rehearsalFor([], 8)).toEqual(
      TRAINED_TASKS.map(({ name, weight }) => ({ task: name, episodes: 8 * weight })),
    );
  });
});
