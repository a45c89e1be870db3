import type { Failure } from '../status/failure.ts';

/** What `getUserMedia` rejected with, in the user's words. Names: W3C Media Capture and Streams, 10.2. */
export function cameraFailure(error: unknown): Failure {
  const name = error instanceof DOMException || error instanceof Error ? error.name : '';
  const detail = error instanceof Error && error.message ? ` (${error.message})` : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return {
      code: 'camera-refused',
      message: 'This page may not use a camera: the permission was refused.',
      hint: 'Allow the camera in the address bar’s site settings and try again, or use a video or image file.',
    };
  }
  if (name === 'NotFoundError') {
    return {
      code: 'camera-missing',
      message: 'A camera is needed, and this device reports none.',
      hint: 'Plug one in and try again, or use a video or image file.',
    };
  }
  if (name === 'OverconstrainedError') {
    return {
      code: 'camera-missing',
      message: 'The chosen camera is no longer there.',
      hint: 'Plug it in again or choose another one.',
    };
  }
  if (name === 'NotReadableError' || name === 'AbortError') {
    return {
      code: 'camera-busy',
      message: `The camera was found but gives no picture${detail}.`,
      hint: 'Close other programs and tabs that use it, then try again.',
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
  message: 'This browser offers cameras only to pages that come over https or from localhost.',
  hint: 'Open the page that way, or use a video or image file.',
};

export const cameraEnded: Failure = {
  code: 'camera-ended',
  message: 'The camera stopped sending pictures: it was unplugged or taken by another program.',
  hint: 'Plug it in again or close the other program, then choose it once more.',
};
