/** Where a run waits while it is paused. */
export class PauseGate {
  #waiting: { readonly promise: Promise<void>; readonly open: () => void } | null = null;

  /** Resolves when the run may go on; null while it need not wait. */
  get waiting(): Promise<void> | null {
    return this.#waiting?.promise ?? null;
  }

  close(): void {
    if (this.#waiting) return;
    let open!: () => void;
    const promise = new Promise<void>((resolve) => (open = resolve));
    this.#waiting = { promise, open };
  }

  open(): void {
    this.#waiting?.open();
    this.#waiting = null;
  }
}
