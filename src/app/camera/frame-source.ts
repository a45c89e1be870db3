/** Where frames come from: a camera, a video file or an image. Holds what a store must not: streams, elements. */
import type { RawImage } from '../../workers/boundary/contract.ts';
import { cameraFailure, insecureContext } from './camera-failure.ts';
import type { Failure } from '../status/failure.ts';

/** Larger pictures are refused: their pixels alone would take more than 256 MB. */
const MAX_SIDE = 8192;

export interface FrameSource {
  element: HTMLVideoElement | HTMLCanvasElement;
  label: string;
  deviceId: string | null;
  width: number;
  height: number;
  /** Changes when there is a new frame. */
  frameId(): number;
  /** The newest frame, for the fast path. The caller closes it or transfers it. */
  bitmap(): Promise<ImageBitmap>;
  /** The newest frame as exact pixels, RGBA, opaque. */
  raw(): RawImage;
  close(): void;
}

function unreadable(file: File, needed: string): Failure {
  const found = file.type || 'a file of unknown type';
  return {
    code: 'file-unreadable',
    message: `“${file.name}” (${found}) cannot be used: it must be ${needed}.`,
    hint: 'Choose a PNG, JPEG or WebP image, or an MP4 or WebM video.',
  };
}

/** Pixels of anything that can be drawn, RGBA, transparent parts on black. */
export function pixels(from: CanvasImageSource, width: number, height: number): RawImage {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true });
  if (!context) throw new Error('This browser gave no 2D canvas to read the frame with.');
  context.drawImage(from, 0, 0, width, height);
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

function videoSource(video: HTMLVideoElement, label: string, close: () => void): FrameSource {
  return {
    element: video,
    label,
    deviceId: null,
    width: video.videoWidth,
    height: video.videoHeight,
    frameId: () => video.currentTime,
    bitmap: () => createImageBitmap(video),
    raw: () => pixels(video, video.videoWidth, video.videoHeight),
    close,
  };
}

function newVideo(): HTMLVideoElement {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  return video;
}

/** Resolves at the first frame; `loadeddata` is the first event at which one can be drawn. */
async function firstFrame(video: HTMLVideoElement): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    video.addEventListener('loadeddata', () => resolve(), { once: true });
    video.addEventListener('error', () => reject(new Error(video.error?.message ?? 'not decodable')), {
      once: true,
    });
  });
  await Promise.all([ready, video.play()]);
}

/** Opens a camera. Throws a `Failure`. `onEnded` is called when it is unplugged or taken away. */
export async function openCamera(deviceId: string | null, onEnded: () => void): Promise<FrameSource> {
  // Missing outside secure contexts, whatever the DOM types say.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices) throw insecureContext;
  const size = { width: { ideal: 640 }, height: { ideal: 480 } };
  let stream: MediaStream | null = null;
  const stop = (): void => stream?.getTracks().forEach((track) => track.stop());
  try {
    stream = await devices.getUserMedia({
      video: deviceId ? { ...size, deviceId: { exact: deviceId } } : size,
    });
    const [track] = stream.getVideoTracks();
    track?.addEventListener('ended', onEnded, { once: true });
    const video = newVideo();
    video.srcObject = stream;
    await firstFrame(video);
    const source = videoSource(video, track?.label ?? 'Camera', () => {
      track?.removeEventListener('ended', onEnded);
      stop();
      video.srcObject = null;
    });
    return { ...source, deviceId: track?.getSettings().deviceId ?? deviceId };
  } catch (error) {
    stop();
    throw cameraFailure(error);
  }
}

async function openVideo(file: File): Promise<FrameSource> {
  const video = newVideo();
  video.loop = true;
  video.controls = true;
  video.src = URL.createObjectURL(file);
  const close = (): void => {
    video.pause();
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
  };
  try {
    await firstFrame(video);
  } catch {
    close();
    throw unreadable(file, 'a video this browser can play');
  }
  return videoSource(video, file.name, close);
}

async function openImage(file: File): Promise<FrameSource> {
  // 'none': the pixel values of the file, as PIL reads them upstream, not converted to the screen's profile.
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' }).catch(() => null);
  if (!bitmap) throw unreadable(file, 'an image this browser can read');
  const { width, height } = bitmap;
  if (Math.max(width, height) > MAX_SIDE) {
    bitmap.close();
    throw unreadable(file, `an image of at most ${MAX_SIDE} pixels a side (it has ${width} × ${height})`);
  }
  const image = pixels(bitmap, width, height);
  bitmap.close();
  const data = new ImageData(image.data, width, height);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')?.putImageData(data, 0, 0);
  return {
    element: canvas,
    label: file.name,
    deviceId: null,
    width,
    height,
    frameId: () => 0,
    bitmap: () => createImageBitmap(data),
    raw: () => ({ width, height, data: image.data.slice() }),
    close: () => undefined,
  };
}

/** Opens a picked or dropped file by its type. Throws a `Failure`. */
export async function openFile(file: File): Promise<FrameSource> {
  if (file.type.startsWith('image/')) return openImage(file);
  if (file.type.startsWith('video/')) return openVideo(file);
  throw unreadable(file, 'an image or a video');
}
