import { expect, it } from 'vitest';
import { RunQueue } from '../../src/model/runtime/run-queue.ts';

it('runs one task at a time, in order, and goes on after a failure', async () => {
  const queue = new RunQueue();
  const log: string[] = [];
  let running = 0;
  const task = (name: string, fails = false) =>
    queue.run(async () => {
      running += 1;
      expect(running).toBe(1);
      log.push(name);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
      if (fails) throw new Error(name);
      return name;
    });
  const results = await Promise.allSettled([task('a'), task('b', true), task('c')]);
  expect(log).toEqual(['a', 'b', 'c']);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
