/** The raw frames of the newest prediction, kept for saving it. */
import type { RawImage } from '../../workers/boundary/contract.ts';
import { pixels } from '../camera/frame-source.ts';

export type KeptFrame = ImageBitmap | RawImage;

let kept: KeptFrame[] = [];

export function closeFrames(frames: readonly KeptFrame[]): void {
  for (const frame of frames) if (!('data' in frame)) frame.close();
}

/** Takes over the frames; those kept before are freed. */
export function keepFrames(frames: KeptFrame[]): void {
  closeFrames(kept);
  kept = frames;
}

/** The kept frames as pixels, in slot order. */
export function keptPixels(): RawImage[] {
  return kept.map((frame) => ('data' in frame ? frame : pixels(frame, frame.width, frame.height)));
}
