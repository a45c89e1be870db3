import { describe, expect, it } from 'vitest';
import { recordDemonstrations, type Shown } from '../../src/practice/demonstrations.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import type { TableCameras } from '../../src/practice/observe.ts';
import { ActionNoise } from '../../src/practice/rollout.ts';
import { Random } from '../../src/base/random.ts';
import { goalOf, taskNamed } from '../../src/practice/tasks.ts';
import type { TableView } from '../../src/practice/view.ts';

const mujoco = await loadMujoco();
/** Nobody looks at the pictures here. */
const view = { sync: () => true } as unknown as TableView;
const cameras = { observe: async () => [] } as unknown as TableCameras;
const record = (task: string, episodes: number, seed = 1, tables: readonly Shown[] = []) =>
  recordDemonstrations({ mujoco, view, cameras, task: taskNamed(task), episodes, seed, tables });

/** How often each of the values occurs. */
const counts = (values: readonly string[]) =>
  [...new Set(values)].map((value) => values.filter((other) => other === value).length);

const told = async (seed: number) =>
  (await record('lift', 3, seed)).episodes.map(({ scene, actions }) => [scene.seed, Array.from(actions)]);

/** What is done where nothing is to be done. */
function disturbances(hz: number): number[][] {
  const noise = new ActionNoise(new Random(3), { most: 0.5, knocks: 0.3, hz });
  return Array.from({ length: 60 }, () => noise.disturb([0, 0, 0, 0, 0, 0, 1]).slice(0, 3));
}

describe('the expert’s demonstrations', () => {
  it('show everything that a task may ask for equally often', async () => {
    const stacks = (await record('stack', 36)).episodes.map(({ instruction }) => instruction);
    expect(counts(stacks)).toEqual(Array.from({ length: 36 }, () => 1));

    const behind = (await record('behind', 20)).episodes.map(({ instruction }) => instruction);
    const targets = behind.map((instruction) => goalOf(instruction)!.goal.target);
    expect(counts(targets)).toEqual([5, 5, 5, 5]);
    expect(Math.max(...counts(behind)) - Math.min(...counts(behind))).toBeLessThanOrEqual(1);
  }, 60_000);

  it('are given on the tables of others where they are asked to be', async () => {
    const shown = (await record('behind', 4)).episodes;
    const tables = new Map(shown.map(({ scene, instruction }) => [scene.seed, instruction]));
    const { episodes } = await record('plate', 8, 2, shown);
    for (const { scene, instruction } of episodes) {
      expect(scene.task).toBe('behind');
      expect(goalOf(instruction)).toMatchObject({
        task: { name: 'plate' },
        goal: { target: goalOf(tables.get(scene.seed)!)!.goal.target },
      });
    }
    expect(new Set(episodes.map(({ scene }) => scene.seed)).size).toBe(4);
  });

  it('are given on new tables where the task cannot be done on those, or they are not known', async () => {
    const [lifted] = (await record('can', 1)).episodes;
    const unknown = { instruction: 'put the red block behind the plate', scene: null };
    const { episodes } = await record('push', 2, 1, [lifted!, unknown]);
    expect(episodes.map(({ scene }) => scene.task)).toEqual(['push', 'push']);
  });

  it('are given on new tables where those are another robot’s: the same seed is another layout there', async () => {
    const [shown] = (await record('lift', 1)).episodes;
    const arm = { instruction: shown!.instruction, scene: { ...shown!.scene, robot: 'so101' } } as const;
    const { episodes } = await record('reach', 1, 1, [arm]);
    expect(episodes[0]!.scene).toMatchObject({ task: 'reach', robot: 'gripper' });
  });

  it('disturb a faster robot for as long as a slower one: in three times as many actions', async () => {
    const [slow, fast] = [disturbances(10), disturbances(30)];
    expect(fast).toEqual(slow.flatMap((step) => [step, step, step]).slice(0, 60));
    expect(new Set(slow.map(String)).size).toBeGreaterThan(50);
  });

  it('follow from the seed', async () => {
    expect(await told(4)).toEqual(await told(4));
    expect(await told(4)).not.toEqual(await told(5));
  });
});
