import { writeCameraVideo } from './camera-video.ts';

export default async function globalSetup(): Promise<void> {
  await writeCameraVideo();
}
