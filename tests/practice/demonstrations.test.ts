import { describe, expect, it } from 'vitest';
import { recordDemonstrations } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import type { TableCameras } from '../../src/practice/observe.ts';
import { goalOf, taskNamed } from '../../src/practice/tasks.ts';
import type { TableView } from '../../src/practice/view.ts';

const mujoco = await loadMujoco();
/** Nobody looks at the pictures here. */
const view = { sync: () => true } as unknown as TableView;
const cameras = { observe: async () => [] } as unknown as TableCameras;
const record = (task: string, episodes: number, seed = 1) =>
  recordDemonstrations({ mujoco, view, cameras, task: taskNamed(task), episodes, seed });

/** How often each of the values occurs. */
const counts = (values: readonly string[]) =>
  [...new Set(values)].map((value) => values.filter((other) => other === value).length);

const told = async (seed: number) =>
  (await record('lift', 3, seed)).episodes.map(({ scene, actions }) => [scene.seed, Array.from(actions)]);

describe('the expert’s demonstrations', () => {
  it('show everything that a task may ask for equally often', async () => {
    const stacks = (await record('stack', 36)).episodes.map(({ instruction }) => instruction);
    expect(counts(stacks)).toEqual(Array.from({ length: 36 }, () => 1));

    const behind = (await record('behind', 20)).episodes.map(({ instruction }) => instruction);
    const targets = behind.map((instruction) => goalOf(instruction)!.goal.target);
    expect(counts(targets)).toEqual([5, 5, 5, 5]);
    expect(Math.max(...counts(behind)) - Math.min(...counts(behind))).toBeLessThanOrEqual(1);
  }, 60_000);

  it('follow from the seed', async () => {
    expect(await told(4)).toEqual(await told(4));
    expect(await told(4)).not.toEqual(await told(5));
  });
});
