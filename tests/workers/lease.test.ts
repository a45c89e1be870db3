import { expect, test } from 'vitest';
import type { LeaseKind } from '../../src/workers/boundary/contract-lease.ts';
import { Lease, type Leased } from '../../src/workers/lease.ts';

class Thing implements Leased {
  readonly name: string;
  disposed = false;
  constructor(name: string) {
    this.name = name;
  }
  attempt<R>(task: () => Promise<R>): Promise<R> {
    return task();
  }
  dispose(): Promise<void> {
    this.disposed = true;
    return Promise.resolve();
  }
}

function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

/** Lets everything happen that waits for nothing. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

function made(): { lease: Lease<Thing, Thing>; kinds: LeaseKind[]; load: (name: string) => Promise<string> } {
  const lease = new Lease<Thing, Thing>();
  const kinds: LeaseKind[] = [];
  lease.watch(({ kind }) => {
    if (kinds.at(-1) !== kind) kinds.push(kind);
  });
  const load = (name: string) =>
    lease.load(async () => ({ held: new Thing(name), result: `loaded ${name}` }));
  return { lease, kinds, load };
}

test('the states follow one another as drawn, and without a policy nothing is given', async () => {
  const { lease, kinds, load } = made();
  await expect(lease.turn('predicting', async () => 1)).rejects.toMatchObject({ code: 'bad-input' });
  await expect(lease.train('run', async () => 1)).rejects.toMatchObject({ code: 'bad-input' });
  expect(() => lease.facts).toThrow('No policy is loaded');
  expect(await load('a')).toBe('loaded a');
  await lease.turn('switching', async () => undefined);
  await lease.train('run', async ({ turn }) => {
    expect(lease.state).toEqual({ kind: 'training', run: 'run' });
    await turn(async () => undefined);
    await lease.turn('predicting', async () => undefined);
  });
  const { facts } = lease;
  await lease.dispose();
  expect(facts.disposed).toBe(true);
  expect(kinds).toEqual([
    'idle',
    'loading',
    'ready',
    'switching',
    'ready',
    'training',
    'predicting',
    'training',
    'ready',
    'disposing',
    'idle',
  ]);
});

test('turns never overlap, and a failing one leaves the lease ready', async () => {
  const { lease, load } = made();
  await load('a');
  let inside = 0;
  const turns = Array.from({ length: 20 }, (_, i) =>
    lease.turn('predicting', async () => {
      expect(++inside).toBe(1);
      await settle();
      inside--;
      if (i % 3 === 0) throw new Error('failed');
      return i;
    }),
  );
  const ends = await Promise.allSettled(turns);
  expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(7);
  expect(lease.state).toEqual({ kind: 'ready', run: null });
});

test('loading another policy stops the run, lets it save, refuses the rest, and frees nothing under it', async () => {
  const { lease, load } = made();
  await load('a');
  const first = lease.facts;
  const saving = gate();
  const run = lease.train('run', async ({ signal, turn }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    await turn(async () => {
      await saving.promise;
      expect(first.disposed).toBe(false);
    });
    return 'saved';
  });
  await settle();
  const waiting = lease.turn('predicting', async ({ name }) => name);
  expect(await waiting).toBe('a');
  const loading = load('b');
  await expect(lease.turn('predicting', async () => 1)).rejects.toMatchObject({ code: 'busy' });
  await expect(lease.train('another', async () => 1)).rejects.toMatchObject({ code: 'busy' });
  await settle();
  expect(first.disposed).toBe(false);
  expect(lease.state).toEqual({ kind: 'training', run: 'run' });
  saving.open();
  expect(await run).toBe('saved');
  expect(await loading).toBe('loaded b');
  expect(first.disposed).toBe(true);
  expect(lease.state).toEqual({ kind: 'ready', run: null });
  expect(await lease.turn('predicting', async ({ name }) => name)).toBe('b');
});

test('what waits for its turn when another policy comes is cancelled, not run on the other one', async () => {
  const { lease, load } = made();
  await load('a');
  const held = gate();
  const first = lease.turn('predicting', async ({ name }) => {
    await held.promise;
    return name;
  });
  const second = lease.turn('predicting', async ({ name }) => name);
  await settle();
  const loading = load('b');
  held.open();
  expect(await Promise.allSettled([first, second])).toMatchObject([
    { value: 'a' },
    { reason: { code: 'cancelled' } },
  ]);
  await loading;
});

test('an adapter cannot be changed under a run that began while the change waited', async () => {
  const { lease, load } = made();
  await load('a');
  const held = gate();
  const predicting = lease.turn('predicting', () => held.promise);
  const switching = lease.turn('switching', async () => 'switched');
  const running = gate();
  const run = lease.train('run', () => running.promise);
  held.open();
  await predicting;
  await expect(switching).rejects.toMatchObject({ code: 'busy', message: expect.stringContaining('"run"') });
  await expect(lease.train('second', async () => 1)).rejects.toMatchObject({ code: 'busy' });
  running.open();
  await run;
});

test('a run that is let in during a turn of somebody else begins after it', async () => {
  const { lease, kinds, load } = made();
  await load('a');
  const held = gate();
  const switching = lease.turn('switching', () => held.promise);
  await settle();
  const run = lease.train('run', ({ turn }) => turn(async () => 'trained'));
  await settle();
  expect(lease.state).toEqual({ kind: 'switching', run: 'run' });
  held.open();
  await switching;
  expect(await run).toBe('trained');
  expect(kinds.slice(-4)).toEqual(['ready', 'switching', 'training', 'ready']);
});

test('a load that fails before it frees keeps what was there; after that nothing is left', async () => {
  const { lease, load } = made();
  await load('a');
  const failing = lease.load<void>(() => Promise.reject(new Error('offline')));
  await expect(failing).rejects.toThrow('offline');
  expect(await lease.turn('predicting', async ({ name }) => name)).toBe('a');
  const late = lease.load<void>(async ({ free }) => {
    await free();
    throw new Error('no memory');
  });
  await expect(late).rejects.toThrow('no memory');
  expect(lease.state.kind).toBe('idle');
});

test('a second load takes the place of the first, and a cancelled one leaves nothing loaded', async () => {
  const { lease, load } = made();
  const downloaded = gate();
  const opened: Thing[] = [];
  const slow = (name: string) =>
    lease.load(async ({ signal }) => {
      await Promise.race([downloaded.promise, new Promise((r) => signal.addEventListener('abort', r))]);
      const held = new Thing(name);
      opened.push(held);
      return { held, result: name };
    });
  const first = slow('a');
  await settle();
  const second = load('b');
  await expect(first).rejects.toMatchObject({ code: 'cancelled' });
  expect(await second).toBe('loaded b');
  expect(opened.map(({ disposed }) => disposed)).toEqual([true]);
  const third = slow('c');
  await settle();
  lease.cancel('loading');
  await expect(third).rejects.toMatchObject({ code: 'cancelled' });
  expect(lease.state.kind).toBe('idle');
});

test('a disposal is not cancelled by the load that follows it', async () => {
  const { lease, load } = made();
  await load('a');
  const { facts } = lease;
  const freed: string[] = [];
  lease.belongs(async () => void freed.push(lease.facts.name));
  const [, loaded] = await Promise.all([lease.dispose(), load('b')]);
  expect(loaded).toBe('loaded b');
  expect(facts.disposed).toBe(true);
  expect(freed).toEqual(['a']);
});

test('each kind of work has a cancel of its own', async () => {
  const { lease, load } = made();
  await load('a');
  const inTurn = lease.turn(
    'predicting',
    (_, signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('stopped in the middle'))),
      ),
  );
  const queued = lease.turn('predicting', async () => 1);
  const switching = lease.turn('switching', async () => 'switched');
  await settle();
  lease.cancel('predicting');
  await expect(inTurn).rejects.toThrow('stopped in the middle');
  await expect(queued).rejects.toMatchObject({ code: 'cancelled' });
  expect(await switching).toBe('switched');
  // A run that is still being prepared is the one that is meant.
  const run = lease.train('run', async ({ signal }) => (signal.aborted ? 'stopped' : 'went on'));
  lease.cancel('training');
  expect(await run).toBe('stopped');
});
