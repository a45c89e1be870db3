/** For what is not a test: the Chromium of the tests, with their camera. */
import { chromium, type Browser } from '@playwright/test';
import { CHROMIUM_FLAGS, findChromium } from '../tools/node/find-chromium.ts';
import { CAMERA_FLAGS, writeCameraVideo } from './camera-video.ts';

export async function launchWithCamera(): Promise<Browser> {
  await writeCameraVideo();
  const executablePath = await findChromium();
  return chromium.launch({
    ...(executablePath ? { executablePath } : {}),
    args: [...CHROMIUM_FLAGS, ...CAMERA_FLAGS],
  });
}
