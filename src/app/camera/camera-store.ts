import { create } from 'zustand';
import type { Failure } from '../status/failure.ts';

export type SourceKind = 'camera' | 'video' | 'image';

export type SlotStatus =
  | { kind: 'empty' }
  | { kind: 'opening'; source: SourceKind }
  /** `label`: the camera's or the file's name. `deviceId`: which camera, null for files. */
  | {
      kind: 'live';
      source: SourceKind;
      label: string;
      deviceId: string | null;
      width: number;
      height: number;
    }
  | { kind: 'failed'; failure: Failure };

export interface CameraDevice {
  id: string;
  label: string;
}

interface CameraState {
  /** One per image the policy wants. The streams and elements themselves are held by sources.ts. */
  slots: SlotStatus[];
  devices: CameraDevice[];
  /** Why the preview of what the model sees cannot be made, or null. */
  previewFailure: Failure | null;
  setSlotCount: (count: number) => void;
  setSlot: (index: number, status: SlotStatus) => void;
  setDevices: (devices: CameraDevice[]) => void;
  setPreviewFailure: (failure: Failure | null) => void;
}

/** What feeds each image slot. */
export const useCameraStore = create<CameraState>()((set) => ({
  slots: [],
  devices: [],
  previewFailure: null,
  setSlotCount: (count) =>
    set(({ slots }) => ({
      slots: Array.from({ length: count }, (_, index) => slots[index] ?? { kind: 'empty' }),
      previewFailure: null,
    })),
  setSlot: (index, status) =>
    set(({ slots }) => ({
      slots: slots.map((slot, at) => (at === index ? status : slot)),
      previewFailure: null,
    })),
  setDevices: (devices) => set({ devices }),
  setPreviewFailure: (previewFailure) => set({ previewFailure }),
}));
