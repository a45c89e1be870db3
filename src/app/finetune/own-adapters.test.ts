import { beforeEach, expect, test, vi } from 'vitest';
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import { asOwned, nameAdapter, ownName, putOnList, takeOffList } from './own-adapters.ts';

const adapters = ['a', 'b'].map((id) => ({ id, label: `run ${id}` })) as AdapterInfo[];
const labels = () => asOwned(adapters).map(({ label }) => label);
let stored: Record<string, string> = {};

beforeEach(() => {
  stored = {};
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored[key] ?? null,
    setItem: (key: string, value: string) => (stored[key] = value),
  });
});

test('an adapter is called as the visitor says, and again as it came', () => {
  nameAdapter('a', 'lifts the can');
  expect(labels()).toEqual(['lifts the can', 'run b']);
  expect(ownName('a')).toBe('lifts the can');
  nameAdapter('a', null);
  expect(labels()).toEqual(['run a', 'run b']);
});

test('one is off the list until it is put there again', () => {
  takeOffList('b');
  expect(labels()).toEqual(['run a']);
  putOnList('b');
  expect(labels()).toEqual(['run a', 'run b']);
});

test('what is damaged in the storage names nothing', () => {
  stored['openvla-web names of adapters'] = '[{"a":1}';
  expect(labels()).toEqual(['run a', 'run b']);
  stored['openvla-web names of adapters'] = '{"a": {"b": 1}}';
  expect(labels()).toEqual(['run a', 'run b']);
});
