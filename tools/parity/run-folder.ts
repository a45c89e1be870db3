import type { Runtime } from '../../src/model/runtime/runtime.ts';
import type { Row } from './compare.ts';
import { runConvert } from './run-convert.ts';
import type { CaseOptions } from './network-stages.ts';
import { runCase } from './run-case.ts';
import { runPreprocess } from './run-preprocess.ts';
import { runTrain } from './run-train.ts';
import { runTokenizer } from './run-tokenizer.ts';
import type { TokenizeFor } from './tokenize.ts';
import type { CaseFiles } from './golden.ts';

export interface FolderOptions extends CaseOptions {
  /** Compare fine-tuning instead of inference. */
  readonly train?: boolean;
  /** The first step of the warm variant only: every gradient is there, and compiling graphs costs most on a software GPU. */
  readonly brief?: boolean;
}

/** Picks what a golden folder holds by its files, and compares all of it. */
export async function runFolder(
  files: CaseFiles,
  runtime: Runtime,
  tokenizeFor: TokenizeFor,
  options: FolderOptions,
): Promise<Row[]> {
  const has = (name: string) => files.files.includes(name);
  if (options.train) {
    if (has('train.safetensors')) return runTrain(files, runtime, options);
    throw new Error(`${files.name} has no train.safetensors: there is no training to compare with.`);
  }
  if (has('io.safetensors')) return runCase(files, runtime, tokenizeFor, options);
  if (has('preprocess.safetensors')) return runPreprocess(files, runtime);
  if (has('cases.json')) return runTokenizer(files, tokenizeFor);
  if (has('expected.json')) return runConvert(files);
  throw new Error(
    `${files.name} is not a golden case: it has none of io.safetensors, preprocess.safetensors, cases.json, expected.json.`,
  );
}
