import type { ClientError } from '../../workers/boundary/client-guard.ts';

/** Failures that the page itself notices, beside those of the worker. */
type PageFailureCode =
  | 'camera-missing'
  | 'camera-refused'
  | 'camera-busy'
  | 'camera-ended'
  | 'camera-unavailable'
  | 'file-unreadable'
  | 'part-missing';

export type FailureCode = ClientError['code'] | PageFailureCode;

/** What went wrong, as the page shows it: `message` says what was found and needed, `hint` what to do. */
export interface Failure {
  code: FailureCode;
  message: string;
  hint: string;
}

const titles: Record<FailureCode, string> = {
  'bad-shape': 'The parts of this policy do not match',
  'bad-file': 'A file of the policy cannot be read',
  'bad-package': 'This is not a usable policy package',
  'package-version': 'Unknown package version',
  'bad-pickle': 'A checkpoint file was refused',
  'missing-tensor': 'The policy package is incomplete',
  'missing-statistics': 'Statistics key missing',
  unsupported: 'Not supported',
  'download-failed': 'Download interrupted',
  'upload-failed': 'Upload interrupted',
  'hash-mismatch': 'Policy package corrupt',
  'storage-full': 'No storage space left',
  'no-webgpu': 'WebGPU is not available',
  'device-lost': 'The GPU was lost',
  'drawing-lost': 'The practice table cannot be drawn',
  'out-of-memory': 'Out of memory',
  cancelled: 'Loading stopped',
  diverged: 'It became unstable',
  'bad-input': 'This cannot be used',
  busy: 'Busy with something else',
  unknown: 'Something unexpected went wrong',
  'worker-crashed': 'The policy worker stopped',
  'camera-missing': 'No camera found',
  'camera-refused': 'Camera access denied',
  'camera-busy': 'Camera in use',
  'camera-ended': 'Camera disconnected',
  'camera-unavailable': 'Cameras are not available',
  'file-unreadable': 'File cannot be used',
  'part-missing': 'This part of the page could not be loaded',
};

export function failureTitle(code: FailureCode): string {
  return titles[code];
}

function isFailureCode(code: unknown): code is FailureCode {
  return typeof code === 'string' && Object.hasOwn(titles, code);
}

/** Whatever was thrown, as a `Failure`. Anything without a known code becomes `unknown`, with its own text. */
export function toFailure(error: unknown): Failure {
  if (typeof error === 'object' && error !== null) {
    const { code, message, hint } = error as { code?: unknown; message?: unknown; hint?: unknown };
    const text = typeof message === 'string' && message ? message : 'No details were given.';
    if (isFailureCode(code)) return { code, message: text, hint: typeof hint === 'string' ? hint : '' };
    return { code: 'unknown', message: text, hint: 'Reload the page and try again.' };
  }
  return { code: 'unknown', message: String(error), hint: 'Reload the page and try again.' };
}

/** True where only a new worker helps: the old one is dead or has lost its device. */
export function needsRestart(code: FailureCode): boolean {
  return code === 'worker-crashed' || code === 'device-lost' || code === 'out-of-memory';
}
