/** A robot behind its guard: whoever has this one can neither reach the robot itself nor make it go beyond its limits. */
import { ModelError } from '../base/errors.ts';
import { Guard } from './guard.ts';
import { periodMsOf, type Robot, type RobotObservation } from './robot.ts';

/** What was commanded, for whoever wants to know afterwards. */
export interface LoggedCommand {
  /** Milliseconds of the clock. */
  readonly atMs: number;
  readonly values: readonly number[];
  /** What was asked for; null where nothing was, and the robot was brought to rest. */
  readonly asked: readonly number[] | null;
}

/** Two minutes at 30 Hz. */
const LOGGED = 3600;

export class GuardedRobot {
  readonly #robot: Robot;
  readonly #guard: Guard;
  readonly #now: () => number;
  #log: LoggedCommand[] = [];

  constructor(robot: Robot, now: () => number) {
    this.#robot = robot;
    this.#now = now;
    this.#guard = new Guard(robot.limits, periodMsOf(robot.profile));
    this.#guard.start(robot.standing());
  }

  get profile(): Robot['profile'] {
    return this.#robot.profile;
  }

  get limits(): Robot['limits'] {
    return this.#robot.limits;
  }

  get periodMs(): number {
    return periodMsOf(this.#robot.profile);
  }

  /** Nothing that was commanded moves it any more. */
  get atRest(): boolean {
    return this.#guard.atRest;
  }

  /** The newest commands, oldest first. */
  get log(): readonly LoggedCommand[] {
    return this.#log;
  }

  observe(): Promise<RobotObservation> {
    return this.#robot.observe();
  }

  limitSpeed(share: number): void {
    this.#guard.limitSpeed(share);
  }

  /** Goes on from where it stands: to be called where something else has moved it. */
  start(): void {
    this.#guard.start(this.#robot.standing());
  }

  /** @throws ModelError `bad-input` for an action of another robot */
  require(action: readonly number[]): void {
    const { name: robot, actions } = this.#robot.profile;
    if (action.length === actions.length) return;
    throw new ModelError(
      'bad-input',
      `An action of ${robot} is ${actions.length} numbers (${actions.map(({ name }) => name).join(', ')}); got ${action.length}.`,
      'Use a policy that was trained for this robot.',
    );
  }

  /**
   * One action, to be called once per period.
   * @returns what is carried out of it
   * @throws ModelError as `require`
   */
  command(action: readonly number[]): readonly number[] {
    this.require(action);
    const command = this.#guard.pass(action);
    this.#keep(command.values, action);
    this.#robot.execute(command);
    return command.values;
  }

  /** Brings it to rest, as fast as its limits allow: to be called once per period. Where it rests already, nothing is commanded. */
  hold(): void {
    if (this.atRest) return;
    const command = this.#guard.hold();
    this.#keep(command.values, null);
    this.#robot.execute(command);
  }

  halt(): void {
    this.#robot.halt();
    this.start();
  }

  close(): void {
    this.#robot.close();
  }

  #keep(values: readonly number[], asked: readonly number[] | null): void {
    this.#log.push({ atMs: this.#now(), values, asked });
    if (this.#log.length > 2 * LOGGED) this.#log = this.#log.slice(-LOGGED);
  }
}
