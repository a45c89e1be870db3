import { expect, test } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { GraphBuilder } from '../../src/model/graph/builder.ts';
import { ProgramCache } from '../../src/model/network/program-cache.ts';
import { FakeRuntime } from '../workers/fake-runtime.ts';

const build = () => {
  const g = new GraphBuilder('double');
  g.output('result', g.scale(g.input('x', [1]), 2));
  return g.build();
};

const exhausted = (): never => {
  throw new ModelError('out-of-memory', 'There is no memory left.');
};

test('a compile that failed is tried again, and a cache that saw one can be disposed', async () => {
  const runtime = new FakeRuntime();
  const cache = new ProgramCache(runtime);
  runtime.before = exhausted;
  await expect(cache.get('a', build)).rejects.toMatchObject({ code: 'out-of-memory' });
  runtime.before = () => undefined;
  await expect(cache.get('a', build)).resolves.toHaveProperty('graph.name', 'double');
  runtime.before = exhausted;
  // Both wait for the same compile, both are told, and neither leaves anything behind.
  const both = await Promise.allSettled([cache.get('b', build), cache.get('b', build)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await cache.dispose();
  expect(runtime.programs).toBe(0);
});

test('the least recently used program makes room', async () => {
  const runtime = new FakeRuntime();
  const cache = new ProgramCache(runtime, 2);
  const a = await cache.get('a', build);
  await cache.get('b', build);
  expect(await cache.get('a', build)).toBe(a);
  await cache.get('c', build);
  expect(runtime.programs).toBe(2);
  expect(await cache.get('a', build)).toBe(a);
});
