import { Slider } from 'radix-ui';
import { useId, useMemo, useState } from 'react';
import type { DemonstrationsInfo, EpisodeTrack } from '../../workers/boundary/contract-demonstrations.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { EditableText } from '../controls/editable-text.tsx';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { useTraining } from '../policy/policy-store.ts';
import { stopPractice, whyNotOnTable } from '../practice/practice-run.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { changeEpisode, checkStep, showStep, useEpisodeStore } from './episode-session.ts';
import { FrameCanvas } from './frame-canvas.tsx';
import { sceneOf } from './recorded-set.ts';
import { replayOnTable } from './table-session.ts';
import { TrackPlot } from './track-plot.tsx';

const column = (values: Float32Array, width: number, at: number): number[] =>
  Array.from({ length: values.length / width }, (_, row) => values[row * width + at]!);

function columns(names: readonly string[] | null, values: Float32Array | null): Map<string, number[]> {
  if (!names || !values) return new Map();
  return new Map(names.map((name, i) => [name, column(values, names.length, i)]));
}

function Film({ info, track }: { info: DemonstrationsInfo; track: EpisodeTrack }) {
  const { step, frames, strip } = useEpisodeStore();
  const slider = useId();
  return (
    <>
      <div className="film-frames">
        {info.cameras.map(({ name }, i) => (
          <figure key={name} className="film-frame">
            {frames[i] ? (
              <FrameCanvas image={frames[i]} label={`${name} at step ${step}`} />
            ) : (
              <div className="film-empty" />
            )}
            <figcaption>{name}</figcaption>
          </figure>
        ))}
      </div>
      <div className="film-strip" aria-hidden="true">
        {strip.map(({ step: at, image }) => (
          <button key={at} type="button" tabIndex={-1} onClick={() => void showStep(at)}>
            <FrameCanvas image={image} label="" />
          </button>
        ))}
      </div>
      <div className="film-scrub">
        <label htmlFor={slider}>Step</label>
        <input
          id={slider}
          type="range"
          min={0}
          max={track.length - 1}
          value={step}
          onChange={(event) => void showStep(event.target.valueAsNumber)}
        />
        <output className="number">
          {step} of {track.length - 1}, {(step / info.fps).toFixed(1)} s
        </output>
      </div>
    </>
  );
}

const REPLAYED = { reached: 'The goal was reached again.', done: 'Replayed.', stopped: 'Stopped.' } as const;

function Replay({ track, disabled }: { track: EpisodeTrack; disabled: boolean }) {
  const table = usePracticeStore((state) => state.status.kind === 'open');
  const replaying = usePracticeStore((state) => state.run.kind === 'replaying');
  const [outcome, setOutcome] = useState('');
  const start = (): void => {
    setOutcome('');
    const width = track.actionNames.length;
    const rows = Array.from({ length: track.length }, (_, i) => [
      ...track.actions.subarray(width * i, width * (i + 1)),
    ]);
    void replayOnTable(rows, sceneOf(track.index)).then(
      (end) => setOutcome(REPLAYED[end]),
      () => setOutcome('It could not be replayed.'),
    );
  };
  return (
    <>
      {replaying ? (
        <button type="button" className="button-stop" onClick={stopPractice}>
          Stop <kbd>Esc</kbd>
        </button>
      ) : (
        <button type="button" disabled={!table || disabled} onClick={start}>
          Replay on the table
        </button>
      )}
      <span className="aside" role="status">
        {replaying ? 'Replaying…' : outcome}
      </span>
    </>
  );
}

function Edits({
  info,
  track,
  policy,
}: {
  info: DemonstrationsInfo;
  track: EpisodeTrack;
  policy: PolicyInfo;
}) {
  const edit = useFineTuneStore((state) => state.edits[track.index]);
  const busy = useTraining();
  // What another robot's actions say the table's would take for something else.
  const ofTable =
    track.actionNames.length === 7 && (sceneOf(track.index) !== null || info.robot.choice === null);
  const original = info.recorded.find(({ index }) => index === track.index)!;
  // While it is dragged, and until what it was dragged to has arrived.
  const kept = edit?.keep;
  const [dragged, setDragged] = useState<{
    readonly keep: [number, number];
    readonly from: typeof kept;
  } | null>(null);
  const keep = dragged && dragged.from === kept ? dragged.keep : (kept ?? [0, track.length]);
  const change = (value: Parameters<typeof changeEpisode>[1]): void => void changeEpisode(track.index, value);
  const field = useId();
  const whole = keep[0] === 0 && keep[1] === track.length;
  return (
    <fieldset className="episode-edits" disabled={busy}>
      <legend className="visually-hidden">Change this episode</legend>
      <EditableText
        label="Instruction of this episode"
        action="Relabel"
        value={edit?.instruction ?? original.instruction}
        onChange={(instruction) => change({ instruction })}
      />
      <div className="episode-trim">
        <span id={`${field}-trim`}>Keep steps</span>
        <Slider.Root
          className="trim"
          min={0}
          max={track.length}
          step={1}
          minStepsBetweenThumbs={1}
          value={[...keep]}
          disabled={busy}
          onValueChange={([from, to]) => setDragged({ keep: [from!, to!], from: kept })}
          onValueCommit={([from, to]) => change({ keep: [from!, to!] })}
        >
          <Slider.Track className="trim-track">
            <Slider.Range className="trim-range" />
          </Slider.Track>
          <Slider.Thumb className="trim-thumb" aria-label="First step kept" />
          <Slider.Thumb className="trim-thumb" aria-label="End of what is kept" />
        </Slider.Root>
        <output className="number">{whole ? 'all' : `${keep[0]} to ${keep[1] - 1}`}</output>
      </div>
      <div className="actions">
        <label className="option-check">
          <input
            type="checkbox"
            checked={edit?.success !== false}
            onChange={(event) => change({ success: event.target.checked })}
          />
          Shows success
        </label>
        <button type="button" onClick={() => change({ deleted: !edit?.deleted })}>
          {edit?.deleted ? 'Restore' : 'Delete'}
        </button>
        {ofTable && <Replay track={track} disabled={whyNotOnTable(policy) !== null} />}
      </div>
    </fieldset>
  );
}

function Check() {
  const check = useEpisodeStore((state) => state.check);
  const checking = useEpisodeStore((state) => state.checking);
  const failure = useEpisodeStore((state) => state.checkFailure);
  return (
    <div className="actions">
      <button type="button" disabled={checking} onClick={() => void checkStep()}>
        What would the policy do here?
      </button>
      {check && (
        <p className="aside" role="status">
          At step {check.step} it differs from the demonstration by an L1 of{' '}
          <span className="number">{check.chunk.l1.toFixed(3)}</span> (normalised; the dashed line is its
          prediction).
        </p>
      )}
      {failure && <FailureNotice failure={failure} title="The policy cannot say" />}
    </div>
  );
}

/** What the step is about, where the task changes inside the episode; what the files contradict each other about. */
function StepTask({ track, step, relabelled }: { track: EpisodeTrack; step: number; relabelled: boolean }) {
  return (
    <>
      {track.instructions && !relabelled && (
        <p className="step-task">
          Task of this step: <q>{track.instructions[step] || 'none'}</q>
        </p>
      )}
      {track.notes.length > 0 && (
        <ul className="fit-notes" aria-label="How the episode was read">
          {track.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Everything of one episode: film, plots, edits, and the policy's own opinion. */
export function EpisodeView({ info, policy }: { info: DemonstrationsInfo; policy: PolicyInfo }) {
  const { track, step, check, failure } = useEpisodeStore();
  const edit = useFineTuneStore((state) => (track ? state.edits[track.index] : undefined));
  const actions = useMemo(() => columns(track?.actionNames ?? null, track?.actions ?? null), [track]);
  const states = useMemo(() => columns(track?.stateNames ?? null, track?.state ?? null), [track]);
  const predicted = useMemo(
    () =>
      check?.chunk.predicted[0]?.map((_, i) => ({
        steps: check.chunk.steps,
        values: check.chunk.predicted.map((row) => row[i]!),
      })) ?? null,
    [check],
  );
  if (failure) return <FailureNotice failure={failure} title="This episode cannot be shown" />;
  if (!track) return <p className="waiting">Reading the episode…</p>;
  const [from, to] = edit?.keep ?? [0, track.length];
  const plot = (name: string, values: number[], i: number, group: string) => (
    <TrackPlot
      key={`${group} ${name}`}
      name={name}
      values={values}
      step={step}
      from={from}
      to={to}
      predicted={group === 'action' ? (predicted?.[i] ?? null) : null}
      onStep={(at) => void showStep(at)}
    />
  );
  return (
    <div className="episode-view">
      <Film info={info} track={track} />
      <StepTask track={track} step={step} relabelled={edit?.instruction !== undefined} />
      <Edits key={track.index} info={info} track={track} policy={policy} />
      <Check />
      <h4>Actions</h4>
      <div className="tracks">{[...actions].map(([name, values], i) => plot(name, values, i, 'action'))}</div>
      {states.size > 0 && (
        <>
          <h4>State</h4>
          <div className="tracks">
            {[...states].map(([name, values], i) => plot(name, values, i, 'state'))}
          </div>
        </>
      )}
    </div>
  );
}
