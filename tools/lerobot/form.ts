import type { LeRobotVersion } from '../../src/episodes/lerobot-writer/options.ts';

/** Options of every tool that writes a LeRobot dataset. */
export const FORM_OPTIONS = {
  format: { type: 'string', default: 'v3.0' },
  images: { type: 'boolean', default: false },
  video: { type: 'boolean', default: false },
} as const;

export const FORM_USAGE = `  --format VERSION  v3.0, which lerobot 0.4 and later read, or v2.1, up to lerobot 0.3.3 (default v3.0)
  --images          frames as PNGs in the table, exact (default)
  --video           frames as H.264, or AV1 where the size is odd: far smaller, and lossy`;

/** @throws what `wrong` makes of a value that is not known */
export function readForm(
  values: { readonly format: string; readonly images: boolean; readonly video: boolean },
  wrong: (text: string) => Error,
): { readonly version: LeRobotVersion; readonly frames: 'images' | 'video' } {
  const { format, images, video } = values;
  if (format !== 'v3.0' && format !== 'v2.1') throw wrong(`--format is "${format}"; expected: v3.0 or v2.1.`);
  if (images && video) throw wrong('--images and --video were both given; choose one of them.');
  return { version: format, frames: video ? 'video' : 'images' };
}
