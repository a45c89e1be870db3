/** Recording from cameras: frames as the slots see them, actions as the sliders, keys or gamepad say. */
import { create } from 'zustand';
import type { EpisodeEdit } from '../../workers/boundary/contract-demonstrations.ts';
import type { RecordedEpisode } from '../../workers/boundary/contract-practice.ts';
import type { PolicyInfo, RawImage } from '../../workers/boundary/contract.ts';
import { allSources, rawFrames } from '../camera/slots.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { toFailure } from '../status/failure.ts';
import { parseValue, useStateStore } from '../state/state-store.ts';
import { canUndo } from '../undo/undo-store.ts';
import { addRecordings } from './recorded-set.ts';
import { useRecorderStore } from './recorder-store.ts';
import { startSteering, type Steering } from './steer.ts';

const set = useRecorderStore.setState;

/** Longer than anybody needs; keeps memory bounded, seconds. */
const LONGEST_SECONDS = 120;
/** JPEG as datasets have it: a frame of 224 px takes about 15 KB. */
const QUALITY = 0.95;

/** The action that is being shown, one value per dimension of the policy. */
export const useActionStore = create<{ values: number[] }>()(() => ({ values: [] }));

export function setAction(index: number, value: number): void {
  useActionStore.setState(({ values }) => ({ values: values.map((old, i) => (i === index ? value : old)) }));
}

export function restingAction(info: PolicyInfo): number[] {
  return info.actions.map(({ name }, i) => {
    const { q01, q99 } = info.actionRange[info.defaultUnnormKey]!;
    const zero = q01[i]! <= 0 && q99[i]! >= 0 ? 0 : (q01[i]! + q99[i]!) / 2;
    return /grip/i.test(name) ? q99[i]! : zero;
  });
}

interface Take {
  readonly info: PolicyInfo;
  readonly actions: number[];
  readonly state: number[];
  readonly frames: Promise<Blob>[][];
  timer: number;
}

let take: Take | null = null;
let steering: Steering | null = null;

export function startCameraRecording(info: PolicyInfo): void {
  const sources = allSources();
  if (!sources || take) return;
  set({ status: { kind: 'recording', steps: 0, achieved: false }, last: '', failure: null });
  const mine: Take = { info, actions: [], state: [], frames: info.imageSlots.map(() => []), timer: 0 };
  take = mine;
  const most = LONGEST_SECONDS * info.controlHz;
  mine.timer = window.setInterval(() => {
    try {
      record(mine);
    } catch (error) {
      stopCameraRecording();
      set({ failure: toFailure(error) });
      return;
    }
    if (mine.frames[0]!.length >= most) void finishCameraRecording();
    else set({ status: { kind: 'recording', steps: mine.frames[0]!.length, achieved: false } });
  }, 1000 / info.controlHz);
  if (info.actions.length === 7) {
    const { q01, q99 } = info.actionRange[info.defaultUnnormKey]!;
    steering = startSteering((action) => {
      // Keys speak in shares of the largest step; the gripper is open at the upper end.
      const rest = restingAction(info);
      const values = action.map((share, i) =>
        i === 6
          ? share >= 0.5
            ? q99[i]!
            : q01[i]!
          : share > 0
            ? rest[i]! + share * (q99[i]! - rest[i]!)
            : rest[i]! + share * (rest[i]! - q01[i]!),
      );
      useActionStore.setState({ values });
    });
  }
}

function record({ info, actions, state, frames }: Take): void {
  const sources = allSources();
  if (!sources) throw Object.assign(new Error('A camera is gone.'), gone);
  rawFrames(sources).forEach((image, slot) => frames[slot]!.push(jpeg(image, info.imageSize)));
  actions.push(...useActionStore.getState().values);
  if (info.state) state.push(...useStateStore.getState().values.map((value) => parseValue(value) ?? 0));
}

const gone = {
  code: 'camera-ended',
  message: 'A camera went away while recording.',
  hint: 'Connect it again. Episodes kept before are untouched.',
} as const;

/** @param keep whether what was recorded becomes an episode */
async function end(keep: boolean): Promise<void> {
  const mine = take;
  take = null;
  steering?.stop();
  steering = null;
  if (!mine) return;
  clearInterval(mine.timer);
  const length = mine.frames[0]!.length;
  if (!keep || length === 0) {
    set({ status: { kind: 'idle' } });
    const instruction = useInstructionStore.getState().text.trim();
    if (length > 0)
      canUndo({
        said: 'Attempt discarded.',
        about: 'demonstrations',
        undo: () => save(mine, instruction, { success: false }),
      });
    return;
  }
  set({ status: { kind: 'saving' } });
  try {
    await save(mine, useInstructionStore.getState().text.trim(), {});
    set({ status: { kind: 'idle' }, last: `Kept: ${length} steps.` });
  } catch (error) {
    set({ status: { kind: 'idle' }, failure: toFailure(error) });
  }
}

async function save(mine: Take, instruction: string, edit: EpisodeEdit): Promise<void> {
  const { info } = mine;
  const frames = await Promise.all(mine.frames.map((slot) => Promise.all(slot)));
  const episode: RecordedEpisode = {
    instruction,
    actions: Float32Array.from(mine.actions),
    state: info.state && Float32Array.from(mine.state),
    frames: Object.fromEntries(info.imageSlots.map(({ name }, i) => [name, frames[i]!])),
    scene: null,
  };
  await addRecordings(
    'camera',
    {
      name: 'Cameras',
      fps: info.controlHz,
      actionNames: info.actions.map(({ name }) => name),
      stateNames: info.state && info.state.map(({ name }) => name),
      cameras: info.imageSlots.map(({ name }) => ({ name, ...info.imageSize })),
    },
    [episode],
    edit,
  );
}

export const finishCameraRecording = (): Promise<void> => end(true);
export const stopCameraRecording = (): void => void end(false);

/** Squeezed to the policy's size, as upstream's own resize does to any image. */
async function jpeg(image: RawImage, { width, height }: { width: number; height: number }): Promise<Blob> {
  const bitmap = await createImageBitmap(new ImageData(image.data, image.width, image.height), {
    resizeWidth: width,
    resizeHeight: height,
    resizeQuality: 'high',
  });
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: QUALITY });
}
