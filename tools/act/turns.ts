import { HttpError } from '../../server/http-error.ts';

/** One prediction at a time, and few that wait: an action for what a robot saw long ago is worth nothing. */
export class Turns {
  readonly #places: number;
  #taken = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param waiting how many requests may wait for the one at work */
  constructor(waiting: number) {
    this.#places = 1 + waiting;
  }

  /** Requests that are at work or wait. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a place; what it gives leaves it again, and has to be called.
   * @throws HttpError 503 where all are taken
   */
  enter(): () => void {
    if (this.#taken >= this.#places)
      throw new HttpError(
        503,
        'busy',
        `One prediction is at work and ${this.#places - 1} wait.`,
        'Ask again later; one robot waits for each answer before it asks for the next.',
      );
    this.#taken++;
    return () => this.#taken--;
  }

  /** Runs `work` when all before it have ended, however they end. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
