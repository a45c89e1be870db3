import type { PolicyInfo, RawImage } from '../../workers/boundary/contract.ts';
import { keptPixels } from './kept-frames.ts';
import type { ShownPrediction } from './prediction-store.ts';
import { SAVED_PREDICTION_FORMAT, type SavedFrame, type SavedPrediction } from './saved-prediction.ts';

/** PNG is lossless here because every frame is opaque: nothing is premultiplied away. */
async function toPng(image: RawImage): Promise<string> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser gave no 2D canvas to write the frame with.');
  context.putImageData(new ImageData(image.data, image.width, image.height), 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(reader.result as string));
    reader.addEventListener('error', () => reject(reader.error ?? new Error('The frame was not encoded.')));
    reader.readAsDataURL(blob);
  });
}

async function describe(info: PolicyInfo, shown: ShownPrediction): Promise<SavedPrediction> {
  const frames = await Promise.all(
    keptPixels().map(async (image, index): Promise<SavedFrame> => {
      const { width, height } = image;
      return { slot: info.imageSlots[index]?.name ?? String(index), width, height, png: await toPng(image) };
    }),
  );
  return {
    format: SAVED_PREDICTION_FORMAT,
    savedAt: new Date().toISOString(),
    package: { name: info.package.name, url: info.package.url, hash: info.package.hash },
    backend: info.backend,
    instruction: shown.instruction,
    state: shown.state,
    unnormKey: shown.unnormKey,
    seed: shown.seed,
    prompt: shown.prompt,
    promptTokens: shown.promptTokens,
    frames,
    actionNames: info.actions,
    actions: shown.actions,
    normalized: shown.normalized,
    stages: shown.stages,
    elapsedMs: shown.elapsedMs,
  };
}

/** Downloads a prediction as one JSON file. Nothing is sent: the file is made in the page. */
export async function savePrediction(info: PolicyInfo, shown: ShownPrediction): Promise<void> {
  const saved = await describe(info, shown);
  const url = URL.createObjectURL(new Blob([JSON.stringify(saved)], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `prediction-${saved.savedAt.replaceAll(/[:.]/g, '-')}.json`;
  link.click();
  // The browser reads the address after the click has been handled.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
