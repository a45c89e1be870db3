import { describe, expect, it } from 'vitest';
import { expertAction } from '../../src/practice/expert.ts';
import { HandRecorder, steerTowards } from '../../src/practice/hand-recorder.ts';
import { loadMujoco } from '../../src/practice/mujoco.ts';
import { PracticeTable } from '../../src/practice/table.ts';
import { assignmentFor, taskNamed } from '../../src/practice/tasks.ts';

const mujoco = await loadMujoco();
const frame = { width: 1, height: 1, data: new Uint8ClampedArray(4) };
const observe = async () => [frame, frame];
const same = (command: readonly number[]) => command;
const STILL = [0, 0, 0, 0, 0, 0, 1];

function laid(task: string, seed: number) {
  const { goal, layout } = assignmentFor(taskNamed(task), seed);
  return { goal, table: new PracticeTable(mujoco, layout) };
}

describe('recording by hand', () => {
  it('begins with the first movement, leaves no-ops out, and waits for the fingers', () => {
    const { table } = laid('lift', 3);
    const recorder = new HandRecorder(null, observe);
    for (let i = 0; i < 5; i++) expect(recorder.step(table, STILL, same)).toBeNull();
    expect(recorder.steps).toBe(0);
    const move = [0.5, 0, 0, 0, 0, 0, 1];
    expect(recorder.step(table, move, same)).toEqual(move);
    table.step(move);
    expect(recorder.step(table, STILL, same)).toBeNull();
    const close = [0, 0, 0, 0, 0, 0, 0];
    let closing = 0;
    for (let i = 0; i < 20; i++) {
      const action = recorder.step(table, close, same);
      if (!action) break;
      closing++;
      table.step(action);
    }
    // The command itself, and the steps in which the fingers still move.
    expect(closing).toBeGreaterThan(2);
    expect(closing).toBeLessThan(20);
    table.dispose();
  });

  it('ends by itself when the goal is reached, with a chunk more', async () => {
    const { table, goal } = laid('lift', 3);
    const recorder = new HandRecorder(goal, observe);
    for (let i = 0; i < 200 && !recorder.done; i++) {
      recorder.judge(table);
      const action = recorder.step(
        table,
        recorder.achieved ? [0, 0, 0, 0, 0, 0, 0] : expertAction(table, goal),
        same,
      );
      if (action) table.step(action);
    }
    expect(recorder.done && recorder.achieved).toBe(true);
    const episode = (await recorder.episode())!;
    expect(episode.actions.length).toBe(7 * recorder.steps);
    expect(episode.state.length).toBe(8 * recorder.steps);
    expect(episode.images.length).toBe(recorder.steps);
    // The last eight hold still.
    expect(Array.from(episode.actions.subarray(-7))).toEqual([0, 0, 0, 0, 0, 0, 0]);
    table.dispose();
  });

  it('judges what comes to rest by itself, while nobody moves', () => {
    const { table, goal } = laid('plate', 3);
    const recorder = new HandRecorder(goal, observe);
    // Until the block is let go above its place; then hands off.
    for (let i = 0; i < 200; i++) {
      const action = expertAction(table, goal);
      const lettingGo = action[6] === 1 && table.position(goal.target)[2] > 0.03;
      const done = recorder.step(table, action, same);
      if (done) table.step(done);
      if (lettingGo && i > 20) break;
    }
    expect(recorder.achieved).toBe(false);
    for (let i = 0; i < 30 && !recorder.achieved; i++) {
      recorder.judge(table);
      table.step([0, 0, 0, 0, 0, 0, 1]);
    }
    expect(recorder.achieved).toBe(true);
    table.dispose();
  });

  it('steers to a point and rests there', () => {
    const { table } = laid('reach', 5);
    const point = [0.05, -0.05, 0.15] as const;
    for (let i = 0; i < 60; i++) table.step(steerTowards(table, point, 1));
    const [x, y, z] = table.position('gripper');
    expect(Math.hypot(x - point[0], y - point[1], z - point[2])).toBeLessThan(0.004);
    expect(steerTowards(table, point, 1)).toEqual([0, 0, 0, 0, 0, 0, 1]);
    table.dispose();
  });
});
