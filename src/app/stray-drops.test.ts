import { expect, test } from 'vitest';
import { ignoreStrayDrops } from './stray-drops.ts';

type Heard = (event: object) => void;

test('a file that misses its place is not opened by the browser; what somebody takes, and text, goes where it goes', () => {
  const heard = new Map<string, Heard>();
  ignoreStrayDrops({
    addEventListener: (type: string, listener: unknown) => void heard.set(type, listener as Heard),
  });
  const dropped = (types: string[], taken: boolean, chooser = false) => {
    const event = {
      target: { matches: () => chooser },
      defaultPrevented: taken,
      dataTransfer: { types, dropEffect: 'copy' },
      preventDefault: () => (event.defaultPrevented = true),
    };
    heard.get('drop')!(event);
    return [event.defaultPrevented, event.dataTransfer.dropEffect];
  };
  expect([...heard.keys()]).toEqual(['dragover', 'drop']);
  expect(dropped(['Files'], false)).toEqual([true, 'none']);
  expect(dropped(['Files'], true)).toEqual([true, 'copy']);
  expect(dropped(['Files'], false, true)).toEqual([false, 'copy']);
  expect(dropped(['text/plain'], false)).toEqual([false, 'copy']);
});
