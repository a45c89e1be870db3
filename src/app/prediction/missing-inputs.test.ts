import { expect, test } from 'vitest';
import { missingImages } from './missing-inputs.ts';

test('which images are missing is said with those that are connected', () => {
  const wanted = ['Main camera', 'Wrist camera'];
  expect(missingImages(wanted, ['Main camera'])).toBe('Needs 2 images; only Main camera is connected.');
  expect(missingImages(wanted, [])).toBe('Needs 2 images: connect a camera, a video or a still image.');
  expect(missingImages(wanted, wanted)).toBe('');
  expect(missingImages(['Main camera'], [])).toMatch(/^Needs an image:/);
});
