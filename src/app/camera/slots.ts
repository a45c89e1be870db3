/** Which frame source feeds which image slot. The facts about them are in camera-store.ts. */
import type { RawImage } from '../../workers/boundary/contract.ts';
import { toFailure } from '../status/failure.ts';
import { cameraEnded } from './camera-failure.ts';
import { useCameraStore, type SourceKind } from './camera-store.ts';
import { openCamera, openFile, type FrameSource } from './frame-source.ts';
import { cameraSeen } from './seen-frames.ts';

const sources = new Map<number, FrameSource>();
/** The last request per slot; an answer to an earlier one is closed again. */
const requests = new Map<number, symbol>();

export function slotSource(index: number): FrameSource | undefined {
  return sources.get(index);
}

/** The sources in slot order, or null while a slot has none. */
export function allSources(): FrameSource[] | null {
  const all: FrameSource[] = [];
  for (let index = 0; index < useCameraStore.getState().slots.length; index++) {
    const source = sources.get(index);
    if (!source) return null;
    all.push(source);
  }
  return all;
}

/** The newest frames as exact pixels, in slot order. */
export function rawFrames(from: readonly FrameSource[]): RawImage[] {
  return from.map((source) => source.raw());
}

function release(index: number): void {
  sources.get(index)?.close();
  sources.delete(index);
  cameraSeen.clear(index);
}

async function open(index: number, kind: SourceKind, opening: () => Promise<FrameSource>): Promise<void> {
  const { setSlot } = useCameraStore.getState();
  const request = Symbol(kind);
  requests.set(index, request);
  release(index);
  setSlot(index, { kind: 'opening', source: kind });
  try {
    const source = await opening();
    if (requests.get(index) !== request) {
      source.close();
      return;
    }
    sources.set(index, source);
    const { label, deviceId, width, height } = source;
    setSlot(index, { kind: 'live', source: kind, label, deviceId, width, height });
  } catch (error) {
    if (requests.get(index) === request) setSlot(index, { kind: 'failed', failure: toFailure(error) });
  }
}

/** Feeds a slot from a camera: the given one, or the browser's choice. */
export async function feedFromCamera(index: number, deviceId: string | null): Promise<void> {
  await open(index, 'camera', () =>
    openCamera(deviceId, () => {
      release(index);
      useCameraStore.getState().setSlot(index, { kind: 'failed', failure: cameraEnded });
    }),
  );
  // Names of cameras are given only after a permission.
  await refreshDevices();
}

/** Feeds a slot from a picked or dropped file. */
export function feedFromFile(index: number, file: File): Promise<void> {
  return open(index, file.type.startsWith('video/') ? 'video' : 'image', () => openFile(file));
}

export function clearSlot(index: number): void {
  requests.delete(index);
  release(index);
  useCameraStore.getState().setSlot(index, { kind: 'empty' });
}

/** Makes room for the images a policy wants; sources of slots that are gone are closed. */
export function setSlotCount(count: number): void {
  for (const index of sources.keys()) if (index >= count) release(index);
  useCameraStore.getState().setSlotCount(count);
}

/** Reads the list of cameras again; empty where the browser offers none. */
export async function refreshDevices(): Promise<void> {
  const media = navigator.mediaDevices as MediaDevices | undefined;
  if (!media) return;
  const found = (await media.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
  useCameraStore.getState().setDevices(
    found
      // Before a permission is given, cameras come without id and name.
      .filter(({ deviceId }) => deviceId !== '')
      .map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `Camera ${index + 1}` })),
  );
}
