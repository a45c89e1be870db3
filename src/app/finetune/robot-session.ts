/** Which robot the demonstrations are trained as: asked of the worker, which measures them for it. */
import type { AdapterInfo } from '../../workers/boundary/contract-adapters.ts';
import type { DemonstrationsInfo, RobotChoice } from '../../workers/boundary/contract-demonstrations.ts';
import type { FineTuneOptions } from '../../workers/boundary/contract-finetune.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { toFailure } from '../status/failure.ts';
import { refreshEstimate } from './estimate-session.ts';
import { useFineTuneStore } from './finetune-store.ts';

const set = useFineTuneStore.setState;
const get = useFineTuneStore.getState;

/** What follows for a run from whose demonstrations they are: a new robot has a new head, and its own statistics. */
export function optionsFor(
  { robot }: DemonstrationsInfo,
  options: FineTuneOptions,
  adapters: readonly AdapterInfo[],
): Pick<FineTuneOptions, 'robot' | 'startFrom' | 'freshModules' | 'statistics'> {
  const { choice, startFrom } = robot;
  if (choice) return { robot: choice, startFrom, freshModules: true, statistics: 'demonstrations' };
  if (startFrom !== null) return { robot: null, startFrom, freshModules: false, statistics: 'policy' };
  const before = adapters.find(({ id }) => id === options.startFrom);
  const kept = before?.robot ? null : options.startFrom;
  const was = options.robot !== null;
  return {
    robot: null,
    startFrom: kept,
    freshModules: was ? false : options.freshModules,
    statistics: kept === null && before ? 'demonstrations' : options.statistics,
  };
}

let asked = 0;

/** Trains them as another robot; null as the policy's own, or that of the adapter. */
export async function teachAs(robot: RobotChoice | null, startFrom: string | null): Promise<void> {
  const mine = ++asked;
  try {
    const info = await policyWorker().demonstrations.as(robot, startFrom);
    if (mine !== asked) return;
    const { options, adapters } = get();
    set({
      demonstrations: { kind: 'open', info },
      options: { ...options, ...optionsFor(info, { ...options, startFrom }, adapters) },
      failure: null,
    });
    await refreshEstimate();
  } catch (error) {
    if (mine === asked) set({ failure: toFailure(error) });
  }
}

/** Measures them again: what is in use is another than before. */
export async function compareAgain(): Promise<void> {
  const { demonstrations, options } = get();
  if (demonstrations.kind === 'open' && options.robot) await teachAs(options.robot, options.startFrom);
}

const SIZES = new Set(['actions', 'state', 'rate', 'cameras']);

/** Starts from an adapter with its robot, or from the policy: then as a robot of their own, where they are not of the policy's. */
export async function teachFrom(id: string | null): Promise<void> {
  await teachAs(null, id);
  const { demonstrations, adapters } = get();
  if (demonstrations.kind !== 'open') return;
  const { problems, robot } = demonstrations.info;
  const other = adapters.find((adapter) => adapter.id === id)?.robot;
  if (!other && robot.guess && problems.some((problem) => SIZES.has(problem.id))) {
    await teachAs(robot.guess, null);
  }
}

/** Changes the robot that is taught. */
export function changeRobot(
  change: Partial<RobotChoice>,
  profile: Partial<RobotChoice['profile']> = {},
): void {
  const { robot } = get().options;
  if (!robot) return;
  const next = { ...robot, ...change, profile: { ...robot.profile, ...profile } };
  // At once, so that the field follows the hand; the measures come after it.
  set(({ options }) => ({ options: { ...options, robot: next } }));
  void teachAs(next, get().options.startFrom);
}
