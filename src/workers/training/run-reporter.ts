import type { Drive, Hold } from '../../robot/drive.ts';
import type { Prediction, RawImage } from '../boundary/contract.ts';
import type { RunNews } from '../boundary/contract-practice.ts';

/** A pause shorter than this is not worth a word, milliseconds. */
const MOMENT = 1000;

interface Asked {
  readonly images: RawImage[];
  readonly state: number[];
  readonly instruction: string;
  readonly unnormKey: string;
}

/** Tells what happens during a run. */
export class RunReporter {
  readonly #tell: (news: RunNews) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = false;

  constructor(tell: (news: RunNews) => void) {
    this.#tell = tell;
  }

  /** To be called when a robot begins to hold, and with null when it goes on. */
  readonly hold = (why: Hold | null): void => {
    clearTimeout(this.#timer);
    if (why) {
      this.#timer = setTimeout(() => {
        this.#told = true;
        this.#tell({ kind: 'hold', why });
      }, MOMENT);
    } else if (this.#told) {
      this.#told = false;
      this.#tell({ kind: 'hold', why: null });
    }
  };

  end(): void {
    clearTimeout(this.#timer);
  }

  /** Predicting that is told of. @returns actions */
  predicting(
    predict: (observation: Asked) => Promise<Prediction>,
  ): (observation: Asked, drive: Drive) => Promise<number[][]> {
    return async (observation, drive) => {
      const { images, state, instruction } = observation;
      // What the policy is given is moved to it.
      const kept = images.map((image): RawImage => ({ ...image, data: image.data.slice() }));
      this.#tell({ kind: 'asked' });
      const prediction = await predict(observation);
      this.#tell({ kind: 'predicted', prediction, instruction, state, images: kept, steps: drive.steps });
      return prediction.actions;
    };
  }
}
