/**
 * Runs tasks one after another.
 *
 * Two `session.run` in flight at once crash onnxruntime-web's asyncify build ("memory access out of bounds"),
 * and a WASM heap belongs to the whole module, so there is one queue per loaded onnxruntime.
 */
export class RunQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
