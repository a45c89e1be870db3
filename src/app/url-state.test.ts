import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readUrlState, writeUrlState, wrongTable } from './url-state.ts';

const PAGE = 'https://example.org/';

function visit(query: string): void {
  vi.stubGlobal('location', new URL(PAGE + query));
}

beforeEach(() => {
  vi.stubGlobal('document', { baseURI: PAGE });
  vi.stubGlobal('history', {
    replaceState: (_state: unknown, _title: string, url: URL) => visit(url.search),
  });
});
afterEach(() => vi.unstubAllGlobals());

test('the backend is read from the address; anything unknown is automatic', () => {
  for (const [query, backend] of [
    ['', 'auto'],
    ['?backend=webgpu', 'webgpu'],
    ['?backend=webgpu-ort', 'webgpu-ort'],
    ['?backend=wasm', 'wasm'],
    ['?backend=auto', 'auto'],
    ['?backend=cuda', 'auto'],
  ] as const) {
    visit(query);
    expect(readUrlState().backend).toBe(backend);
  }
});

test('what is written is read again, and what is the default is not written', () => {
  visit('');
  writeUrlState({ backend: 'wasm', instruction: 'open the drawer' });
  expect(location.search).toBe('?instruction=open+the+drawer&backend=wasm');
  expect(readUrlState()).toMatchObject({ backend: 'wasm', instruction: 'open the drawer' });
  writeUrlState({ backend: 'auto' });
  expect(location.search).toBe('?instruction=open+the+drawer');
});

test('the table’s task and seed are read together or not at all', () => {
  for (const [query, table] of [
    ['?task=plate&seed=12', { task: 'plate', seed: 12, robot: 'gripper' }],
    ['?task=lift&seed=12&robot=so101', { task: 'lift', seed: 12, robot: 'so101' }],
    ['?task=lift&seed=12&robot=franka', null],
    ['?task=plate', null],
    ['?task=plate&seed=-1', null],
    ['?task=plate&seed=x', null],
    ['?task=plate&seed=', null],
  ] as const) {
    visit(query);
    expect(readUrlState().table).toEqual(table);
  }
  const arm = { task: 'lift', seed: 3, robot: 'so101' } as const;
  writeUrlState({ table: arm });
  expect(readUrlState().table).toEqual(arm);
  writeUrlState({ table: { ...arm, robot: 'gripper' } });
  expect(location.search).toBe('?task=lift&seed=3');
  writeUrlState({ table: null });
  expect(location.search).toBe('');
});

test('a table that cannot be laid as the address asks is told, not left out in silence', () => {
  for (const [query, told] of [
    ['', /^nothing$/],
    ['?step=share&instruction=lift', /^nothing$/],
    ['?task=lift&seed=12&robot=so101', /^nothing$/],
    ['?task=lift&seed=12&robot=franka', /a robot “franka”; this table has gripper and so101/],
    ['?robot=franka', /“franka”/],
    ['?robot=so101', /no task/],
    ['?task=plate', /“plate” .* found none/],
    ['?task=plate&seed=-1', /found “-1”/],
  ] as const) {
    visit(query);
    expect(wrongTable() ?? 'nothing').toMatch(told);
  }
});

test('a policy of the same site may be named by its path', () => {
  visit('?policy=models/mine/manifest.json');
  expect(readUrlState().policyUrl).toBe('https://example.org/models/mine/manifest.json');
});
