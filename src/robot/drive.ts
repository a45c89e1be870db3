/** One run of a robot: a step of the plan in each period, until the goal is reached, it has gone on for long enough, or it is stopped. */
import type { GuardedRobot } from './guarded-robot.ts';
import { Plan, type Chunk } from './plan.ts';

/** Without a fresh action for this many periods it holds, and so it does where the time for what was planned has passed unnoticed. */
const PATIENCE = 2;
/** Of a period: clocks are not exact. */
const SLACK = 1e-6;

/** Why it stands still while it should not. */
export type Hold =
  /** Nothing is planned for now: the policy has not answered. */
  | 'no-action'
  /** It was not called for longer than two periods: what was planned was for then. */
  | 'late';

export type DriveEnd = 'reached' | 'limit' | 'halted';

interface DriveOptions {
  /** Asked once after every action. */
  readonly judge?: (() => boolean) | null;
  /** Ends after this many actions; default never. */
  readonly most?: number;
  /** Told when it begins to hold, and with null when it goes on. */
  readonly onHold?: (hold: Hold | null) => void;
}

export class Drive {
  /** Rejects with what `fail` was told. */
  readonly over: Promise<DriveEnd>;
  readonly #robot: GuardedRobot;
  readonly #options: DriveOptions;
  readonly #plan = new Plan();
  readonly #waiting = new Set<{ readonly step: number; readonly resolve: () => void }>();
  #finish!: (end: DriveEnd | Promise<never>) => void;
  #ended: DriveEnd | null = null;
  /** Actions begun, and carried out to the end of their period. */
  #begun = 0;
  #carried = 0;
  #due: number | null = null;
  #freshAt: number | null = null;
  /** Actions of this step and later ones wait for more of the plan. */
  #planned = 0;
  #hold: Hold | null = null;

  constructor(robot: GuardedRobot, options: DriveOptions = {}) {
    this.#robot = robot;
    this.#options = options;
    this.over = new Promise((resolve) => (this.#finish = resolve));
    // Whoever waits for it hears of a failure; nobody has to.
    this.over.catch(() => undefined);
    robot.start();
  }

  get ended(): DriveEnd | null {
    return this.#ended;
  }

  /** Actions that were begun. */
  get steps(): number {
    return this.#begun;
  }

  /** Actions that were carried out: an observation made now is answered by the action of this step. */
  get carried(): number {
    return this.#carried;
  }

  get hold(): Hold | null {
    return this.#hold;
  }

  /** When the next action is due, milliseconds; null before the first. */
  get due(): number | null {
    return this.#due;
  }

  /** @param until the step before which it is to be carried out; default to its end */
  follow(chunk: Chunk, { ensembling = false, until = chunk.at + chunk.actions.length } = {}): void {
    this.#plan.add(chunk, ensembling);
    this.#planned = until;
  }

  /** Resolves when so many actions were carried out, or it is over. */
  async until(step: number): Promise<void> {
    if (this.#carried >= step || this.#ended) return;
    await new Promise<void>((resolve) => this.#waiting.add({ step, resolve }));
  }

  /** To be called as time goes by, at least once per period. @param now milliseconds */
  tick(now: number): void {
    const { periodMs } = this.#robot;
    if (this.#ended) return;
    this.#due ??= now;
    this.#freshAt ??= now;
    const early = now < this.#due - SLACK * periodMs;
    // After a pause the next action need not wait for a period to end.
    if (early && !(this.#idle && this.#robot.atRest && this.#next)) return;
    const late = now - this.#due > PATIENCE * periodMs;
    this.settle();
    if (this.#ended) return;
    if (late) this.#plan.clear();
    const action = this.#next;
    if (action) {
      this.#robot.command(action);
      this.#begun++;
      this.#freshAt = now;
      this.#setHold(null);
    } else {
      this.#robot.hold();
      if (late) this.#setHold('late');
      else if (now - this.#freshAt >= PATIENCE * periodMs) this.#setHold('no-action');
    }
    // In step with the clock, unless it began anew.
    this.#due = (early || now - this.#due >= periodMs ? now : this.#due) + periodMs;
  }

  /** The period of the action that was begun is over. */
  settle(): void {
    if (!this.#idle) {
      this.#carried = this.#begun;
      // What was cut short is not judged.
      if (!this.#ended) this.#judge();
    }
    for (const waiter of this.#waiting) {
      if (waiter.step > this.#carried && !this.#ended) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  #judge(): void {
    const { judge, most = Infinity } = this.#options;
    if (judge?.()) this.#end('reached');
    else if (this.#carried >= most) this.#end('limit');
  }

  /** Stops at once: the robot stays where it is. */
  halt(): void {
    if (this.#ended) return;
    this.#robot.halt();
    this.#end('halted');
    this.settle();
  }

  /** Ends it because of an error of the robot's. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#end('halted', Promise.reject(error));
    this.settle();
  }

  get #next(): readonly number[] | null {
    return this.#begun < this.#planned ? this.#plan.at(this.#begun) : null;
  }

  get #idle(): boolean {
    return this.#carried === this.#begun;
  }

  #end(end: DriveEnd, told: DriveEnd | Promise<never> = end): void {
    this.#ended = end;
    this.#plan.clear();
    this.#finish(told);
  }

  #setHold(hold: Hold | null): void {
    if (hold === this.#hold) return;
    this.#hold = hold;
    this.#options.onHold?.(hold);
  }
}
