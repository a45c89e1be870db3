import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const PAGE = 'https://example.org/';
/** The history of a tab, and where in it the visitor is. */
let entries: URL[] = [];
let at = 0;
let listener: (() => void) | null = null;
const confirm = vi.fn<(text: string) => boolean>();

function show(): void {
  vi.stubGlobal('location', entries[at]);
}

function walk(by: number): void {
  at += by;
  show();
  listener?.();
}

beforeEach(async () => {
  vi.resetModules();
  entries = [new URL(PAGE)];
  at = 0;
  vi.stubGlobal('document', { baseURI: PAGE });
  vi.stubGlobal('history', {
    replaceState: (_state: unknown, _title: string, url: URL) => {
      entries[at] = new URL(url);
      show();
    },
    pushState: (_state: unknown, _title: string, url: URL) => {
      entries = [...entries.slice(0, at + 1), new URL(url)];
      at++;
      show();
    },
  });
  vi.stubGlobal('window', {
    addEventListener: (name: string, heard: () => void) => name === 'popstate' && (listener = heard),
    removeEventListener: () => undefined,
    confirm: confirm.mockReset().mockReturnValue(true),
  });
  show();
});
afterEach(() => vi.unstubAllGlobals());

async function opened() {
  const { guardPlaces, useViewStore } = await import('./view-store.ts');
  const { keepPlaceHistory } = await import('./place-history.ts');
  const { mayGo } = await import('./leaving.ts');
  guardPlaces(mayGo);
  keepPlaceHistory(mayGo);
  return useViewStore;
}

test('Back and Forward walk through steps and views, with the words of now', async () => {
  const view = await opened();
  view.getState().setStep('demonstrations');
  view.getState().setStep('fine-tune');
  view.getState().setStep('fine-tune');
  expect(entries.map(({ search }) => search)).toEqual(['', '?step=demonstrations', '?step=fine-tune']);
  const { useInstructionStore: words } = await import('./instruction/instruction-store.ts');
  words.getState().setText('wave');
  walk(-1);
  expect(view.getState().step).toBe('demonstrations');
  expect(location.search).toBe('?step=demonstrations&instruction=wave');
  walk(-1);
  expect(view.getState().step).toBe('run');
  walk(1);
  expect(view.getState().step).toBe('demonstrations');
  expect(entries).toHaveLength(3);
  view.getState().setView('camera');
  walk(-1);
  expect(view.getState()).toMatchObject({ step: 'demonstrations', view: 'table' });
});

test('who stays when asked stays, by a link and by Back', async () => {
  const view = await opened();
  view.getState().setStep('fine-tune');
  const { useCompareStore: comparing } = await import('./finetune/compare-store.ts');
  comparing.setState({ running: true });
  confirm.mockReturnValue(false);
  view.getState().setStep('share');
  expect(confirm).toHaveBeenCalledExactlyOnceWith('The comparison would stop. Leave anyway?');
  expect(view.getState().step).toBe('fine-tune');
  walk(-1);
  expect(view.getState().step).toBe('fine-tune');
  expect(location.search).toBe('?step=fine-tune');
  confirm.mockReturnValue(true);
  walk(-1);
  expect(view.getState().step).toBe('run');
});
