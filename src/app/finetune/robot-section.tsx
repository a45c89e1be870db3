import { useId, type ReactNode } from 'react';
import type { DemonstrationsInfo, RobotChoice } from '../../workers/boundary/contract-demonstrations.ts';
import { useFineTuneStore } from './finetune-store.ts';
import { RobotCameras } from './robot-cameras.tsx';
import { RobotDimensions } from './robot-dimensions.tsx';
import { changeRobot, teachAs } from './robot-session.ts';
import { CommittedInput } from './committed-input.tsx';
import './robot.css';

const HEADS: readonly [RobotChoice['head'], string][] = [
  ['l1', 'L1 regression'],
  ['diffusion', 'Diffusion'],
  ['discrete', 'Action tokens'],
];

const ABOUT_HEADS: Record<RobotChoice['head'], string> = {
  l1: 'Fast; what openvla-oft recommends.',
  diffusion: 'Slower; for scenes with several right answers.',
  discrete: 'Actions as words, like the original OpenVLA.',
};

function Labelled({
  label,
  upstream,
  hint,
  children,
}: {
  label: string;
  upstream?: string;
  hint?: ReactNode;
  children: (id: string) => ReactNode;
}) {
  const id = useId();
  return (
    <div className="option">
      <label htmlFor={id}>
        {label} {upstream && <span className="unit">{upstream}</span>}
      </label>
      {children(id)}
      {hint && <p className="aside">{hint}</p>}
    </div>
  );
}

const wholeNumber = (text: string): number | null => (/^\d+$/.test(text.trim()) ? Number(text) : null);
const positive = (text: string): number | null => (Number(text) > 0 ? Number(text) : null);

function whatThinningDoes({ robot, fps }: DemonstrationsInfo): string {
  const { thinning } = robot;
  if (!thinning) return `Recorded at ${fps} Hz; every step is kept.`;
  const { from, to, before, after, dropped } = thinning;
  const lost = dropped > 0 ? `, ${dropped} at the ends of episodes are left out` : '';
  return `Recorded at ${from} Hz: about ${(from / to).toFixed(1).replace(/\.0$/, '')} recorded steps become one, ${before} become ${after}${lost}.`;
}

function Settings({ info, robot }: { info: DemonstrationsInfo; robot: RobotChoice }) {
  const { profile } = robot;
  const seconds = (profile.chunkSize / profile.controlHz).toFixed(2);
  const recordedState = info.robot.guess?.profile.state ?? null;
  return (
    <>
      <div className="options">
        <Labelled label="Name of the robot">
          {(id) => (
            <CommittedInput
              id={id}
              value={profile.name}
              parse={(text) => text.trim() || null}
              onCommit={(name) => changeRobot({}, { name })}
            />
          )}
        </Labelled>
        <Labelled label="Actions per second" hint={whatThinningDoes(info)}>
          {(id) => (
            <CommittedInput
              id={id}
              inputMode="decimal"
              value={String(Number(profile.controlHz.toPrecision(6)))}
              parse={positive}
              onCommit={(controlHz) => changeRobot({}, { controlHz })}
            />
          )}
        </Labelled>
        <Labelled
          label="Actions per prediction"
          upstream="NUM_ACTIONS_CHUNK"
          hint={`${seconds} s of movement; the longest episode has ${info.robot.longest}.`}
        >
          {(id) => (
            <CommittedInput
              id={id}
              inputMode="numeric"
              value={String(profile.chunkSize)}
              parse={(text) => wholeNumber(text) || null}
              onCommit={(chunkSize) => changeRobot({}, { chunkSize })}
            />
          )}
        </Labelled>
        <Labelled label="Head" hint={ABOUT_HEADS[robot.head]}>
          {(id) => (
            <select
              id={id}
              value={robot.head}
              onChange={(event) => changeRobot({ head: event.target.value as RobotChoice['head'] })}
            >
              {HEADS.map(([head, label]) => (
                <option key={head} value={head}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Labelled>
        {robot.head === 'diffusion' && (
          <Labelled label="Diffusion steps" upstream="num_diffusion_steps_train">
            {(id) => (
              <CommittedInput
                id={id}
                inputMode="numeric"
                value={String(robot.diffusionSteps)}
                parse={(text) => wholeNumber(text) || null}
                onCommit={(diffusionSteps) => changeRobot({ diffusionSteps })}
              />
            )}
          </Labelled>
        )}
        <Labelled
          label="Normalise by"
          upstream="NORMALIZATION_TYPE"
          hint={
            profile.normalization === 'bounds'
              ? 'For joints, which reach their limits.'
              : 'For deltas, which have outliers.'
          }
        >
          {(id) => (
            <select
              id={id}
              value={profile.normalization}
              onChange={(event) =>
                changeRobot({}, { normalization: event.target.value as 'bounds' | 'bounds_q99' })
              }
            >
              <option value="bounds">smallest to largest</option>
              <option value="bounds_q99">1st to 99th percentile</option>
            </select>
          )}
        </Labelled>
      </div>
      <div className="robot-checks">
        <label className="option-check">
          <input
            type="checkbox"
            checked={profile.state !== null}
            disabled={recordedState === null}
            onChange={(event) => changeRobot({}, { state: event.target.checked ? recordedState : null })}
          />
          It sees the robot’s state <span className="unit">use_proprio</span>
        </label>
        <label className="option-check">
          <input
            type="checkbox"
            checked={robot.film}
            onChange={(event) => changeRobot({ film: event.target.checked })}
          />
          Words steer what it sees <span className="unit">use_film</span>
        </label>
      </div>
    </>
  );
}

/** The names are in the table below. */
const sizeIn = (text: string): string => text.replace(/ \([^)]*\)/, '');

/** Where demonstrations are more of what is in use, there is a choice; else it is said why not. */
function Whose({ info, disabled }: { info: DemonstrationsInfo; disabled: boolean }) {
  const chosen = useFineTuneStore((state) => state.options.robot);
  // An adapter that knows this robot, where one is in use.
  const own = useFineTuneStore(
    ({ adapters, active }) => adapters.find(({ id, robot }) => id === active && robot)?.id ?? null,
  );
  const { differs, guess, inUse } = info.robot;
  if (differs.length > 0) {
    return (
      <p className="section-hint">
        These demonstrations are of a different robot than <strong>{inUse}</strong>:{' '}
        {differs.map(({ found, needed }) => `${sizeIn(found)} instead of ${sizeIn(needed)}`).join('; ')}. It
        gets its own action head, state projector and statistics; the original policy stays as it is.
      </p>
    );
  }
  return (
    <fieldset className="robot-whose" disabled={disabled || !guess}>
      <legend className="visually-hidden">Whose demonstrations these are</legend>
      <label className="option-check">
        <input type="radio" name="whose" checked={chosen === null} onChange={() => void teachAs(null, own)} />
        <span>
          More of <strong>{inUse}</strong>, which the policy in use knows
        </span>
      </label>
      <label className="option-check">
        <input
          type="radio"
          name="whose"
          checked={chosen !== null}
          onChange={() => guess && void teachAs(guess, null)}
        />
        Another robot, with its own action head
      </label>
    </fieldset>
  );
}

/** The robot that is taught, as the demonstrations tell it and as a person corrects it. */
export function RobotSection({ disabled }: { disabled: boolean }) {
  const demonstrations = useFineTuneStore((state) => state.demonstrations);
  const robot = useFineTuneStore((state) => state.options.robot);
  if (demonstrations.kind !== 'open') return null;
  const { info } = demonstrations;
  if (!info.robot.guess && info.problems.length === 0) return null;
  return (
    <section className="teach-part robot" aria-labelledby="robot-title">
      <h3 id="robot-title">Your robot</h3>
      <Whose info={info} disabled={disabled} />
      {info.problems.length > 0 && (
        <ul className="notice fit-notes" role="alert" aria-label="Why it cannot be taught">
          {info.problems.map(({ id, found, needed, hint }) => (
            <li key={`${id} ${found}`} data-id={id}>
              Found {found}; needed {needed}. <span className="notice-hint">{hint}</span>
            </li>
          ))}
        </ul>
      )}
      {robot && (
        <fieldset disabled={disabled} className="robot-fields">
          <legend className="visually-hidden">The robot</legend>
          <Settings info={info} robot={robot} />
          <RobotCameras info={info} robot={robot} />
          <RobotDimensions info={info} robot={robot} />
        </fieldset>
      )}
    </section>
  );
}
