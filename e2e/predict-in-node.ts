/**
 * Predicts a saved prediction again, in Node. Run by `tools/node/run.mjs`, because the network's WGSL imports need
 * its loader. Arguments: the saved file, the package folder, the file to write the chunk to.
 */
import { readFile, writeFile } from 'node:fs/promises';
import type { SavedPrediction } from '../src/app/prediction/saved-prediction.ts';
import { predictFromFile } from '../tools/predict/predict.ts';

const [savedPath, packageFolder, resultPath] = process.argv.slice(2);
if (!savedPath || !packageFolder || !resultPath) {
  throw new Error('usage: predict-in-node.ts <saved.json> <package folder> <result.json>');
}
const saved = JSON.parse(await readFile(savedPath, 'utf8')) as SavedPrediction;
await writeFile(resultPath, JSON.stringify(await predictFromFile(saved, packageFolder)));
