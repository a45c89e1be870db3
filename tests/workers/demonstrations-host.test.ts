import { expect, test, vi } from 'vitest';
import { codeOf, demonstrationsFor, loadedHost, nothing, openMadeUp, tinyHost } from './tiny-host.ts';

test('demonstrations are read, looked at and checked against the policy', async () => {
  const tiny = await loadedHost();
  const { demonstrations } = tiny.host;
  const progress = vi.fn<(done: number, total: number) => void>();
  const recorded = demonstrationsFor(tiny.info);
  const info = await demonstrations.open({ kind: 'recorded', recorded }, progress);
  expect(info).toMatchObject({ name: 'made up', samples: 3 * 4, problems: [], edits: {} });
  expect(progress).toHaveBeenCalled();
  const track = await demonstrations.episode(1);
  expect(track.actions).toEqual(recorded.episodes[1]!.actions);
  // A copy: what crosses to the page is moved.
  expect(track.actions.buffer).not.toBe(recorded.episodes[1]!.actions.buffer);
  const camera = info.cameras[0]!.name;
  const [frame] = await demonstrations.frames(1, camera, [2]);
  expect(frame).toEqual(recorded.episodes[1]!.frames[camera]![2]);
  const check = await demonstrations.check(1, 2);
  expect(check.recorded).toHaveLength(tiny.info.chunkSize);
  expect(check.l1).toBeGreaterThan(0);
  expect(check.byKey).toEqual([]);
  const { byKey, predicted, unnormKey } = await demonstrations.check(1, 2, true);
  expect(byKey.map(({ key }) => key)).toEqual(tiny.info.unnormKeys);
  expect(byKey).toContainEqual({ key: unnormKey, predicted });
  await expect(demonstrations.check(1, 4)).rejects.toThrow('fewer than 8 actions ahead');
  expect(await codeOf(demonstrations.episode(9))).toBe('bad-input');
  expect(await codeOf(demonstrations.frames(0, 'no such camera', [0]))).toBe('bad-input');
  expect(await demonstrations.review(nothing)).toBeInstanceOf(Array);
  await demonstrations.close();
  expect(await codeOf(demonstrations.episode(1))).toBe('bad-input');
});

test('without a policy, or with what nobody can read, nothing is opened', async () => {
  const { host } = await tinyHost();
  expect(await codeOf(host.demonstrations.open({ kind: 'url', url: 'https://x.test/d/' }, nothing))).toBe(
    'bad-input',
  );
  const tiny = await loadedHost();
  await openMadeUp(tiny, tiny.info);
  const zip = new File(['this is not a zip'], 'x.zip');
  expect(await codeOf(tiny.host.demonstrations.open({ kind: 'zip', file: zip }, nothing))).toBe('bad-file');
  const files = [{ path: 'folder/readme.txt', file: new File(['text'], 'readme.txt') }];
  expect(await codeOf(tiny.host.demonstrations.open({ kind: 'files', files }, nothing))).toBe('bad-file');
  const photo = { path: 'holiday.jpg', file: new File(['a picture'], 'holiday.jpg') };
  await expect(tiny.host.demonstrations.open({ kind: 'files', files: [photo] }, nothing)).rejects.toThrow(
    /^holiday\.jpg is not a dataset/,
  );
  // What was open before still is.
  expect((await tiny.host.demonstrations.episode(0)).length).toBe(11);
});

test('two quick edits are both kept, in their order', async () => {
  const tiny = await loadedHost();
  const { demonstrations } = tiny.host;
  await openMadeUp(tiny, tiny.info);
  const [first, second, third] = await Promise.all([
    demonstrations.edit({ 0: { instruction: 'wave' } }),
    demonstrations.edit({ 1: { deleted: true } }),
    demonstrations.edit({ 0: { keep: [0, 9] } }),
  ]);
  expect(first.edits).toEqual({ 0: { instruction: 'wave' } });
  expect(second.edits).toEqual({ 0: { instruction: 'wave' }, 1: { deleted: true } });
  expect(third.edits).toEqual({ 0: { instruction: 'wave', keep: [0, 9] }, 1: { deleted: true } });
  expect(third.episodes).toEqual([
    { index: 0, length: 9, instruction: 'wave' },
    { index: 2, length: 11, instruction: 'push block 2' },
  ]);
  // One that does not fit changes nothing, and does not hold up the next.
  const [wrong, next] = await Promise.allSettled([
    demonstrations.edit({ 2: { keep: [5, 99] } }),
    demonstrations.edit({ 1: { deleted: false } }),
  ]);
  expect(wrong).toMatchObject({ status: 'rejected', reason: { code: 'bad-input' } });
  expect(next).toMatchObject({ value: { edits: { ...third.edits, 1: { deleted: false } } } });
  expect(await demonstrations.review(nothing)).toBeInstanceOf(Array);
  const all = { deleted: true };
  const none = await demonstrations.edit({ 0: all, 1: all, 2: all });
  expect(none.problems[0]).toMatchObject({ id: 'nothing-left' });
  expect(await demonstrations.review(nothing)).toEqual([]);
});

test('of two that are opened the one asked for last counts, and the other is closed', async () => {
  const tiny = await loadedHost();
  const { demonstrations } = tiny.host;
  const one = { ...demonstrationsFor(tiny.info), name: 'one' };
  const two = { ...demonstrationsFor(tiny.info, 2), name: 'two' };
  const first = codeOf(demonstrations.open({ kind: 'recorded', recorded: one }, nothing));
  const second = demonstrations.open({ kind: 'recorded', recorded: two }, nothing);
  expect(await first).toBe('cancelled');
  expect((await second).name).toBe('two');
  expect(await codeOf(demonstrations.episode(2))).toBe('bad-input');
  // An edit of what is closed meanwhile does not bring it back.
  const editing = codeOf(demonstrations.edit({ 0: { deleted: true } }));
  const closing = demonstrations.close();
  expect(['cancelled', null]).toContain(await editing);
  await closing;
  expect(await codeOf(demonstrations.edit({}))).toBe('bad-input');
});
