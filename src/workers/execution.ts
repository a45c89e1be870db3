import { SUBSTEPS } from '../practice/mjcf.ts';
import type { SuccessJudge } from '../practice/rollout.ts';
import type { PracticeTable } from '../practice/table.ts';
import type { ExecutionReport } from './contract-practice.ts';

/** A chunk of actions on its way: carried out in real time, step by step, until it is done, the goal is reached, or it is stopped. */
export class Execution {
  readonly ended: Promise<ExecutionReport>;
  readonly #actions: readonly (readonly number[])[];
  readonly #judge: SuccessJudge | null;
  #resolve!: (report: ExecutionReport) => void;
  #reject!: (error: unknown) => void;
  #next = 0;
  /** Physics steps left of the current action. */
  #left = 0;
  #over = false;

  /** @param judge of the goal; null where nothing can judge it */
  constructor(actions: readonly (readonly number[])[], judge: SuccessJudge | null) {
    this.#actions = actions;
    this.#judge = judge;
    this.ended = new Promise((resolve, reject: (error: unknown) => void) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get over(): boolean {
    return this.#over;
  }

  /** To be called before each physics step. @param guard what every action passes */
  tick(table: PracticeTable, guard: (action: readonly number[]) => number[]): void {
    if (this.#left === 0) {
      if (this.#next > 0 && this.#judge?.after(table)) this.end(true);
      else if (this.#next === this.#actions.length) this.end(false);
      else {
        table.begin(guard(this.#actions[this.#next]!));
        this.#next++;
        this.#left = SUBSTEPS;
      }
    }
    this.#left--;
  }

  end(achieved: boolean): void {
    this.#over = true;
    this.#resolve({ achieved: this.#judge ? achieved : null, steps: this.#next });
  }

  fail(error: unknown): void {
    this.#over = true;
    this.#reject(error);
  }
}
