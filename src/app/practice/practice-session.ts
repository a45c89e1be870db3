/** The practice worker, and what the page asks of it: layouts, pointers, views. Runs are in practice-run.ts. */
import { connectPracticeWorker, type PracticeClient } from '../../workers/boundary/client.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { readUrlState, writeUrlState, wrongTable } from '../url-state.ts';
import { toFailure, type Failure } from '../status/failure.ts';
import type {
  LoopChoices,
  TableReport,
  TableRobotName,
  TableLayout,
  TableScene,
} from '../../workers/boundary/contract-practice.ts';
import { canUndo } from '../undo/undo-store.ts';
import { usePredictionStore } from '../prediction/prediction-store.ts';
import { useViewStore } from '../view-store.ts';
import { usePracticeStore } from './practice-store.ts';

let client: PracticeClient | null = null;
let canvas: HTMLCanvasElement | null = null;

const set = usePracticeStore.setState;

/** The worker. @throws when the table is not open */
export function practiceWorker(): PracticeClient {
  if (!client) throw new Error('The practice table is not open.');
  return client;
}

/** The picture; one element for the page's lifetime, as a canvas can be handed to a worker only once. */
export function practiceCanvas(): HTMLCanvasElement {
  canvas ??= Object.assign(document.createElement('canvas'), { className: 'table-canvas' });
  return canvas;
}

/** More pixels a CSS pixel nobody sees. */
const FINEST = 3;

interface ViewSize {
  readonly width: number;
  readonly height: number;
}

function scaled({ width, height }: ViewSize) {
  return { width, height, ratio: Math.min(FINEST, window.devicePixelRatio) };
}

function fail(failure: Failure): void {
  client = null;
  canvas?.remove();
  canvas = null;
  set({ status: { kind: 'failed', failure }, run: { kind: 'idle' } });
}

/** Starts the worker on the canvas; once. */
export async function openTable(size: ViewSize): Promise<void> {
  if (client) return;
  const mine = connectPracticeWorker((error) => fail(toFailure(error)));
  client = mine;
  set({ status: { kind: 'opening' }, failure: null });
  try {
    const tasks = await mine.open(practiceCanvas().transferControlToOffscreen(), scaled(size), (error) =>
      set({ failure: toFailure(error) }),
    );
    const { speedLimit, ensembling, ahead } = usePracticeStore.getState();
    followScheme(mine);
    await mine.limitSpeed(speedLimit);
    await mine.chooseLoop({ ensembling, ahead });
    set({ status: { kind: 'open', tasks } });
    performance.mark('table-open');
    const asked = readUrlState().table;
    set({ addressed: asked !== null });
    await layFirst(asked);
  } catch (error) {
    mine.terminate();
    fail(toFailure(error));
  }
}

/** What the address asks for, or what a visitor sees first; there, too, where the address asks for what there is not, which is said. */
async function layFirst(asked: TableLayout | null): Promise<void> {
  if (!asked) {
    const message = wrongTable();
    const hint = 'The table of a first visit is shown instead.';
    await layTable(
      firstTask,
      firstSeed,
      true,
      undefined,
      message ? { code: 'bad-input', message, hint } : null,
    );
    return;
  }
  try {
    await layTable(asked.task, asked.seed, true, asked.robot);
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code !== 'bad-input') throw error;
    await layTable(firstTask, firstSeed, true, undefined, failure);
  }
}

/** The stage is as dark as the page. */
function followScheme(of: PracticeClient): void {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const tell = (): void => {
    if (client === of) void of.setDark(dark.matches).catch(() => undefined);
  };
  dark.addEventListener('change', tell);
  tell();
}

/** What a visitor sees first: the task that shows most in little time. */
const firstTask = 'plate';
const firstSeed = 3;

/** What the address says about a table: nothing of the one that a visitor finds anyway. */
export function addressedTable(table: TableLayout | null): TableLayout | null {
  if (!table) return null;
  const { task, seed, robot } = table;
  const first = robot === 'gripper' && task === firstTask && seed === firstSeed;
  return first ? null : { task, seed, robot };
}

let azimuth = 0;

/** From where the table is looked at, radians around the vertical; see `PracticeWorker.orbit`. */
export function tableAzimuth(): number {
  return azimuth;
}

/** Turns and zooms the picture. */
export async function orbitTable(turn: number, elevation: number, zoom: number): Promise<void> {
  azimuth = await practiceWorker().orbit(turn, elevation, zoom);
}

/** Looks along the table's axes, so that left is left in the picture, too. */
export async function faceTable(): Promise<void> {
  await orbitTable(0, 0, 1);
  await orbitTable(-azimuth, 0, 1);
}

export function resizeTable(size: ViewSize): void {
  if (client) void client.resize(scaled(size)).catch(() => undefined);
}

/** A hidden table neither moves nor draws. */
export function showTable(visible: boolean): void {
  if (client) void client.setVisible(visible).catch(() => undefined);
}

/**
 * Lays the table for a task; the instruction becomes one that fits.
 * @param realTime whether time goes by on it before the next action
 * @param robot who is to stand there; default who stands there
 * @param failure why it is not what was asked for; default it is
 * @returns what lies there now
 * @throws what the worker rejects with; the table before is still there then, and is not what was asked for
 */
export async function layTable(
  task: string,
  seed: number,
  realTime = true,
  robot?: TableRobotName,
  failure: Failure | null = null,
): Promise<TableReport> {
  const table = await practiceWorker().reset(task, seed, realTime, robot);
  set({ table, judged: true, outcome: { kind: 'none' }, failure });
  // Each robot can be asked for other things.
  if (robot) set({ status: { kind: 'open', tasks: table.tasks } });
  tableChanged();
  useInstructionStore.getState().setText(table.instruction);
  writeUrlState({ table: addressedTable(table) });
  return table;
}

/** Things lie elsewhere than when the last prediction was made: it goes, at once or when what runs has ended. */
export function tableChanged(): void {
  if (useViewStore.getState().view !== 'table') return;
  usePredictionStore.getState().outdate();
  if (usePracticeStore.getState().run.kind !== 'idle') return;
  usePredictionStore.getState().settle();
  void client?.showPath(null).catch(() => undefined);
}

/** What lies there now, and what was asked of it; null where it is broken, and not worth a way back. */
export interface TableBefore {
  readonly scene: TableScene;
  readonly text: string;
}

export async function tableNow(): Promise<TableBefore | null> {
  try {
    return { scene: await practiceWorker().scene(), text: useInstructionStore.getState().text };
  } catch {
    return null;
  }
}

/** Offers the way back to what lay there before. */
export function canBringBack(before: TableBefore | null, said: string): void {
  if (before) canUndo({ said, about: 'table', undo: () => bringBack(before) });
}

async function bringBack({ scene, text }: TableBefore): Promise<void> {
  const table = await practiceWorker().bringBack(scene);
  set({ table, status: { kind: 'open', tasks: table.tasks }, outcome: { kind: 'none' }, failure: null });
  tableChanged();
  useInstructionStore.getState().setText(text);
  // Where the words are those that are there already, nobody else tells the judge.
  await instructTable(text);
  writeUrlState({ table: addressedTable(table) });
}

let changing: Promise<void> = Promise.resolve();

/** When every change that was asked for is made: until then the table is still the one before, and so is its task. */
export const tableSettled = (): Promise<void> => changing;

/** Changes the table as a button does it: a failure is shown, and there is a way back. */
export function changeTable(said: string, change: () => Promise<unknown>): Promise<void> {
  const mine = Promise.all([changing, changeNow(said, change)]).then(() => undefined);
  changing = mine;
  return mine;
}

async function changeNow(said: string, change: () => Promise<unknown>): Promise<void> {
  try {
    const before = await tableNow();
    await change();
    canBringBack(before, said);
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** Lays it for a task. */
export const chooseTable = (task: string, seed: number): Promise<void> =>
  changeTable(`Laid for “${task}”.`, () => layTable(task, seed));

/** The same layout again, or another one for the same task. */
export const chooseAgain = (change: 'same' | 'new'): Promise<void> =>
  changeTable(change === 'same' ? 'Table reset.' : 'New layout.', () => relayTable(change));

/** The same layout again, or another one for the same task. @throws as `layTable` */
export async function relayTable(change: 'same' | 'new'): Promise<void> {
  const { table } = usePracticeStore.getState();
  if (!table) return;
  await layTable(table.task, change === 'same' ? table.seed : randomSeed());
}

export function randomSeed(): number {
  return Math.floor(Math.random() * 1e6);
}

/** Tells the judge what is asked now. */
export async function instructTable(instruction: string): Promise<void> {
  if (!client || usePracticeStore.getState().status.kind !== 'open') return;
  try {
    set({ judged: await client.instruct(instruction) });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** @param share of the largest step, 0…1 */
export async function limitSpeed(share: number): Promise<void> {
  set({ speedLimit: share });
  try {
    await client?.limitSpeed(share);
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** How predictions and actions follow each other, also in a run that goes on. */
export async function chooseLoop(change: Partial<LoopChoices>): Promise<void> {
  set(change);
  const { ensembling, ahead } = usePracticeStore.getState();
  try {
    await client?.chooseLoop({ ensembling, ahead });
  } catch (error) {
    set({ failure: toFailure(error) });
  }
}

/** Knocks something over, to see what the policy makes of it. */
export const disturbTable = (): Promise<void> =>
  changeTable('Object nudged.', async () => {
    await practiceWorker().disturb();
    tableChanged();
  });
