/** Episodes recorded in this page, kept on this device (IndexedDB) until they are deleted. */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { EpisodeEdit } from '../../workers/boundary/contract-demonstrations.ts';
import type {
  RecordedDemonstrations,
  RecordedEpisode,
  TableLayout,
} from '../../workers/boundary/contract-practice.ts';
import type { Failure } from '../status/failure.ts';

/** Where it was recorded: episodes of one place form one dataset. */
export type Place = 'table' | 'camera';

export interface Recording {
  readonly id: number;
  readonly place: Place;
  readonly recordedAt: number;
  /** What all episodes of a dataset have in common. */
  readonly about: Omit<RecordedDemonstrations, 'episodes'>;
  readonly episode: RecordedEpisode;
  readonly edit: EpisodeEdit;
}

interface Schema extends DBSchema {
  recordings: { key: number; value: Omit<Recording, 'id'> & { id?: number }; indexes: { place: Place } };
}

let database: Promise<IDBPDatabase<Schema>> | null = null;

/** @throws Failure `unsupported` where the browser keeps no databases for this page */
async function open(): Promise<IDBPDatabase<Schema>> {
  try {
    database ??= openDatabase();
    return await database;
  } catch (error) {
    database = null;
    if (error instanceof DOMException && error.name === 'QuotaExceededError') throw error;
    throw unkept;
  }
}

/** What is there; nothing where the browser keeps nothing. */
async function openForReading(): Promise<IDBPDatabase<Schema> | null> {
  try {
    return await open();
  } catch (error) {
    if (error === unkept) return null;
    throw error;
  }
}

const unkept: Failure = {
  code: 'unsupported',
  message: 'The recording could not be kept: this browser has no database (IndexedDB) for this page.',
  hint: 'Use a current browser outside private mode, or save the recording as a file.',
};

async function openDatabase(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>('openvla-web recordings', 1, {
    upgrade: (db) => {
      db.createObjectStore('recordings', { keyPath: 'id', autoIncrement: true }).createIndex(
        'place',
        'place',
      );
    },
  });
}

/** @throws Failure `storage-full` where the disk or the browser's quota has no room; earlier recordings stay */
export async function saveRecording(recording: Omit<Recording, 'id'>): Promise<number> {
  try {
    return await (await open()).add('recordings', recording);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError') throw full;
    throw error;
  }
}

const full: Failure = {
  code: 'storage-full',
  message: 'The recording could not be kept: there is no room left on this device.',
  hint: 'Delete recordings, runs or policies you no longer need. What was recorded before is untouched.',
};

/** Those whose episodes go together with the newest one, oldest first. */
export async function recordingsOf(place: Place): Promise<Recording[]> {
  const db = await openForReading();
  const all = ((await db?.getAllFromIndex('recordings', 'place', place)) ?? []) as Recording[];
  const newest = all.at(-1);
  return newest ? all.filter(({ about }) => alike(about, newest.about)).map(withRobot) : [];
}

/** An earlier version of the page kept a scene without its robot; the names of what was recorded tell. */
function withRobot(recording: Recording): Recording {
  const { about, episode } = recording;
  const scene = episode.scene as Omit<TableLayout, 'robot'> | TableLayout | null;
  if (!scene || 'robot' in scene) return recording;
  const robot = about.actionNames.includes('shoulder_pan.pos') ? 'so101' : 'gripper';
  return { ...recording, episode: { ...episode, scene: { ...scene, robot } } };
}

/** How many there are of all places, and what they take, bytes. */
export async function recordingsSize(): Promise<{ readonly count: number; readonly bytes: number }> {
  const all = (await (await openForReading())?.getAll('recordings')) ?? [];
  const bytes = all.reduce((sum, { episode }) => sum + sizeOf(episode), 0);
  return { count: all.length, bytes };
}

function sizeOf({ actions, state, frames }: RecordedEpisode): number {
  const images = Object.values(frames).flat();
  return images.reduce(
    (sum, image) => sum + ('size' in image ? image.size : image.data.byteLength),
    actions.byteLength + (state?.byteLength ?? 0),
  );
}

export async function editRecording(id: number, edit: EpisodeEdit): Promise<void> {
  // In one transaction: the later of two quick edits is the one that is kept.
  const { store, done } = (await open()).transaction('recordings', 'readwrite');
  const stored = await store.get(id);
  if (stored) await store.put({ ...stored, edit });
  await done;
}

export async function deleteRecordings(ids: readonly number[]): Promise<void> {
  const transaction = (await open()).transaction('recordings', 'readwrite');
  await Promise.all([...ids.map((id) => transaction.store.delete(id)), transaction.done]);
}

/** One dataset of several recordings. Frames in a file's form are shared, not copied. */
export function asDemonstrations(recordings: readonly Recording[]): RecordedDemonstrations {
  const { about } = recordings.at(-1)!;
  return {
    ...about,
    episodes: recordings.map(({ episode }) => ({
      ...episode,
      // What is handed to a worker is gone here.
      actions: episode.actions.slice(),
      state: episode.state && episode.state.slice(),
    })),
  };
}

function alike(a: Recording['about'], b: Recording['about']): boolean {
  const key = ({ fps, actionNames, stateNames, cameras }: Recording['about']) =>
    JSON.stringify({ fps, actionNames, stateNames, cameras });
  return key(a) === key(b);
}
