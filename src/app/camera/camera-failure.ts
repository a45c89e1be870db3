import type { Failure } from '../status/failure.ts';

/** What `getUserMedia` rejected with, in the user's words. Names: W3C Media Capture and Streams, 10.2. */
export function cameraFailure(error: unknown): Failure {
  const name = error instanceof DOMException || error instanceof Error ? error.name : '';
  const detail = error instanceof Error && error.message ? ` (${error.message})` : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return {
      code: 'camera-refused',
      message: 'Camera access was denied.',
      hint: 'Allow the camera in the browser’s site settings and try again, or use a video or image file.',
    };
  }
  if (name === 'NotFoundError') {
    return {
      code: 'camera-missing',
      message: 'No camera was found on this device.',
      hint: 'Plug one in and try again, or use a video or image file.',
    };
  }
  if (name === 'OverconstrainedError') {
    return {
      code: 'camera-missing',
      message: 'The selected camera is no longer connected.',
      hint: 'Plug it in again or choose another one.',
    };
  }
  if (name === 'NotReadableError' || name === 'AbortError') {
    return {
      code: 'camera-busy',
      message: `The camera was found but sends no picture${detail}.`,
      hint: 'Close other apps and tabs that use it, then try again.',
    };
  }
  return {
    code: 'camera-unavailable',
    message: `The camera could not be opened${detail}.`,
    hint: 'Try again, or use a video or image file.',
  };
}

export const insecureContext: Failure = {
  code: 'camera-unavailable',
  message: 'This browser allows cameras only on https pages or localhost.',
  hint: 'Open the page over https, or use a video or image file.',
};

export const cameraEnded: Failure = {
  code: 'camera-ended',
  message: 'The camera stopped sending pictures: it was unplugged, or another app is using it.',
  hint: 'Plug it in again or close the other app, then select it again.',
};
