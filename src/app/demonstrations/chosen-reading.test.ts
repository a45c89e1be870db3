import { beforeEach, expect, test, vi } from 'vitest';
import type { DatasetReading } from '../../episodes/reading.ts';
import { aboutChoice, chosenReading, keepReading } from './chosen-reading.ts';

const feature = (name: string) => ({ name, dtype: 'float32', shape: [7] });
const about = (state: string, features = ['action', 'pose', 'joints']) => ({
  name: 'mine',
  format: 'LeRobot v3.0',
  reading: {
    features: features.map(feature),
    mapping: { action: 'action', state: [state], cameras: [] },
    standardisation: null,
    turned: 0,
  } satisfies DatasetReading,
});

beforeEach(() => {
  const stored = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
  });
});

test('a choice is there again when the dataset is opened anew', () => {
  expect(chosenReading(about('pose'))).toBeNull();
  expect(aboutChoice(about('pose'))).toBe('');
  keepReading(about('joints'));
  expect(chosenReading(about('pose'))).toMatchObject({ mapping: { state: ['joints'] } });
  // It is read by it by now.
  expect(chosenReading(about('joints'))).toBeNull();
  expect(aboutChoice(about('joints'))).toBe('As you chose.');
});

test('a choice made for other features is not used, and that is said', () => {
  keepReading(about('joints'));
  const changed = about('pose', ['action', 'pose']);
  expect(chosenReading(changed)).toBeNull();
  expect(aboutChoice(changed)).toContain('state: joints');
  expect(aboutChoice(changed)).toContain('is not used');
  // Another dataset.
  expect(aboutChoice({ ...changed, name: 'other' })).toBe('');
});
