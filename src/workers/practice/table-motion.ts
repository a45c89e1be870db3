import { advancePeriod } from '../../practice/world.ts';
import { Drive } from '../../robot/drive.ts';
import { steppedTime } from '../../robot/stepped.ts';
import type { Hand } from './hand.ts';
import type { LaidTable } from './laid-table.ts';

/** More than this is not made up for after a pause (a hidden tab, say), seconds. */
const LONGEST_LAG = 0.1;
/** How often it is looked whether anything is to be commanded while nothing is due, milliseconds. */
const IDLE_MS = 20;

type DriveOptions = ConstructorParameters<typeof Drive>[1] & object;

/** A drive and the time by which it goes. */
interface Driven {
  readonly drive: Drive;
  readonly now: () => number;
  /** Lets time go by until so many actions were carried out; undefined where time goes by itself. */
  readonly carry: ((step: number) => Promise<void>) | undefined;
}

/** What moves the table, and how its time goes by: with the clock, or with the actions alone. */
export class TableMotion {
  hand: Hand | null = null;
  /** Physics moves with the actions alone: trials come out the same however long a prediction takes. */
  stepped = false;
  readonly #onError: (error: unknown) => void;
  #drive: Drive | null = null;
  /** Until when physics has gone on, milliseconds. */
  #time = 0;
  /** Physics behind the clock, seconds. */
  #lag = 0;
  /** By the clock of the physics, milliseconds: a robot is driven alike on every machine. */
  #physicsMs = 0;

  /** @param onError told what a physics step fails with: nobody waits for it */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Whether this is still what moves it. */
  isDriving(drive: Drive): boolean {
    return this.#drive === drive;
  }

  /** At once: of two runs that come together, the first is ended before the second begins. */
  halt(): void {
    this.#drive?.halt();
    this.#drive = null;
  }

  /** A drive that moves the table from now on, in place of whatever did. */
  begin(laid: LaidTable, realTime: boolean, options: Pick<DriveOptions, 'most' | 'onHold'>): Driven {
    this.halt();
    this.stepped = !realTime;
    // What is asked may change while it is being done.
    const judge = () => laid.judge?.after(laid.table) ?? false;
    const drive = new Drive(laid.robot, { ...options, judge });
    this.#drive = drive;
    if (realTime) return { drive, now: () => this.#physicsMs, carry: undefined };
    return { drive, ...steppedTime(drive, laid.robot.periodMs, () => laid.move(advancePeriod)) };
  }

  /** Physics goes on until now. @param now milliseconds */
  advanceTo(laid: LaidTable, now: number): void {
    const { timestep } = laid.remains;
    this.#lag = Math.min(LONGEST_LAG, this.#lag + Math.max(0, now - this.#time) / 1000);
    this.#time = Math.max(now, this.#time);
    if (this.stepped || laid.broken) this.#lag = 0;
    for (; this.#lag >= timestep && !laid.broken; this.#lag -= timestep) this.#advance(laid);
  }

  /** When the next command is due, or it is to be asked again: milliseconds. */
  nextAt(laid: LaidTable, now: number): number {
    const drive = this.#drive;
    const due = drive?.due ?? null;
    if (!drive || drive.ended || due === null || this.stepped || laid.broken) return now + IDLE_MS;
    // A physics step begins once its time has passed.
    const wait = due + 1000 * (laid.remains.timestep - this.#lag) - this.#physicsMs;
    return now + Math.max(1, Math.min(IDLE_MS, wait));
  }

  /** One physics step of whatever moves the gripper. Here nobody waits for an error: it would end the worker. */
  #advance(laid: LaidTable): void {
    try {
      laid.move((table) => {
        this.#drive?.tick(this.#physicsMs);
        this.hand?.tick();
        table.advance();
      });
      this.#physicsMs += 1000 * laid.remains.timestep;
    } catch (error) {
      this.#drive?.fail(error);
      this.#drive = null;
      // What was recorded until the table broke can still be handed back.
      if (!laid.broken) this.hand = null;
      this.#onError(error);
    }
  }
}
