import { Tabs } from 'radix-ui';
import { useEffect, useState } from 'react';
import { optionsOf, readingText } from '../../episodes/reading.ts';
import type { DemonstrationsInfo } from '../../workers/boundary/contract-demonstrations.ts';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { closeDemonstrations } from './open-demonstrations.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { SanitySection } from '../finetune/sanity-section.tsx';
import { useTraining } from '../policy/policy-store.ts';
import { whyNotOnTable } from '../practice/practice-run.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import type { View } from '../url-state.ts';
import { useViewStore } from '../view-store.ts';
import { closeOpened } from './close-opened.ts';
import { CameraRecorder } from './camera-recorder.tsx';
import { DatasetPicker } from './dataset-picker.tsx';
import { EpisodeList } from './episode-list.tsx';
import { EpisodeView } from './episode-view.tsx';
import { DeleteButton } from '../controls/delete-button.tsx';
import { Facts, type Fact } from '../controls/facts.tsx';
import { ExpertPicker } from './expert-picker.tsx';
import { ExportSection } from './export-section.tsx';
import { openWithRehearsal } from './expert-session.ts';
import { BeforeTraining } from './findings.tsx';
import { MappingForm } from './mapping-form.tsx';
import { ReadingOptions } from './reading-options.tsx';
import { countRecorded, openRecorded, openRecordings, purgeRecordings } from './recorded-set.ts';
import { useRecorderStore } from './recorder-store.ts';
import { StatisticsView } from './statistics-view.tsx';
import { TableRecorder } from './table-recorder.tsx';
import type { Place } from './recordings.ts';
import '../finetune/finetune.css';
import './demonstrations.css';

function About({ info }: { info: DemonstrationsInfo }) {
  return (
    <Facts
      facts={[
        ['Dataset', info.name],
        ['Format', `${info.format}, ${info.fps} Hz`],
        [
          'Robot',
          info.robot.choice
            ? `a new one: ${info.action.length} action values, its own action head`
            : 'the one in use',
        ],
        ['Episodes to train on', info.episodes.length],
        ['Training samples', info.samples],
        ...info.slots.map(({ label, camera }): Fact => [label, camera || 'no camera']),
      ]}
    />
  );
}

function Opened({ info, policy }: { info: DemonstrationsInfo; policy: PolicyInfo }) {
  const origin = useFineTuneStore((state) => state.origin);
  const deleted = useFineTuneStore(
    (state) => Object.values(state.edits).filter((edit) => edit.deleted).length,
  );
  const failure = useFineTuneStore((state) => state.failure);
  const setStep = useViewStore((state) => state.setStep);
  const table = usePracticeStore((state) => state.status.kind === 'open');
  const recordings = openRecordings();
  const own = recordings?.length ?? 0;
  const recordedOnTable = recordings?.[0]?.place === 'table';
  const mixable = origin === 'recorded' && recordedOnTable && info.recorded.length === own;
  const mixIn = useRecorderStore((state) => state.mixIn);
  const goOn = async (): Promise<void> => {
    if (mixable && mixIn && table) {
      await openWithRehearsal();
      if (useFineTuneStore.getState().demonstrations.kind !== 'open') return;
    }
    // Meanwhile the visitor may have gone elsewhere.
    if (useViewStore.getState().step === 'demonstrations') setStep('fine-tune');
  };
  return (
    <section className="opened" aria-labelledby="opened-title">
      <div className="title-row">
        <h2 id="opened-title">Episodes</h2>
        <div className="actions">
          {origin === 'recorded' && deleted > 0 && (
            <DeleteButton label={`Empty the bin (${deleted})`} onDelete={() => void purgeRecordings()} />
          )}
          {info.problems.length > 0 && (
            <p className="aside" id="why-not-yet">
              Nothing to train on yet: {info.problems[0]!.found}.
            </p>
          )}
          <button
            type="button"
            className="button-primary"
            disabled={info.problems.length > 0}
            aria-describedby={info.problems.length > 0 ? 'why-not-yet' : undefined}
            onClick={() => void goOn()}
          >
            Fine-tune on these
          </button>
        </div>
      </div>
      {mixable && (
        <label className="option-check">
          <input
            type="checkbox"
            checked={mixIn}
            onChange={(event) => useRecorderStore.setState({ mixIn: event.target.checked })}
          />
          <span>
            Mix in tasks it knows{' '}
            <span className="aside">
              adds the scripted expert’s episodes of them, so they aren’t forgotten: a lesson of three
              demonstrations without them took <em>reach</em> from 100 to 0 %
            </span>
          </span>
        </label>
      )}
      <div className="opened-parts">
        <div className="opened-list">
          <EpisodeList info={info} />
        </div>
        <EpisodeView info={info} policy={policy} />
      </div>
      <About info={info} />
      {info.reading && origin === 'dataset' && (
        <>
          <MappingForm key={readingText(optionsOf(info.reading))} info={info} reading={info.reading} />
          <ReadingOptions reading={info.reading} format={info.format} />
        </>
      )}
      <BeforeTraining info={info} />
      {failure && <FailureNotice failure={failure} title="That did not work" />}
      {info.problems.length === 0 && <SanitySection title="What the policy makes of these" />}
      <StatisticsView info={info} />
      <ExportSection info={info} />
    </section>
  );
}

/** Recordings of earlier visits, one click away. */
function Earlier({ disabled }: { disabled: boolean }) {
  const [counts, setCounts] = useState<Record<Place, number> | null>(null);
  useEffect(() => {
    void countRecorded().then(setCounts, () => setCounts(null));
  }, []);
  if (!counts || counts.table + counts.camera === 0) return null;
  const button = (place: Place, name: string) =>
    counts[place] > 0 && (
      <button type="button" disabled={disabled} onClick={() => void openRecorded(place)}>
        {counts[place]} from {name}
      </button>
    );
  return (
    <div className="actions earlier">
      <p>Recorded here before:</p>
      {button('table', 'the practice table')}
      {button('camera', 'cameras')}
    </div>
  );
}

const TABS = [
  { value: 'table', label: 'Show it on the table' },
  { value: 'camera', label: 'Record with cameras' },
  { value: 'expert', label: 'Auto-generate' },
  { value: 'dataset', label: 'Open a dataset' },
] as const;

/** Another robot at the table is taught by the expert; a policy that is for no robot of the table by a dataset. */
function firstTab(view: View, policy: PolicyInfo): string {
  if (view === 'camera') return 'dataset';
  if (whyNotOnTable(policy) === null) return 'table';
  return usePracticeStore.getState().table?.robot === 'so101' ? 'expert' : 'dataset';
}

/** Where demonstrations come from, and a look at each of them. */
export default function DemonstrationsPage({ info: policy }: { info: PolicyInfo }) {
  const demonstrations = useFineTuneStore((state) => state.demonstrations);
  const running = useTraining();
  const view = useViewStore((state) => state.view);
  const [tab, setTab] = useState<string>(() => firstTab(view, policy));
  // A table that is not on show stands still.
  useEffect(
    () =>
      usePracticeStore.subscribe(({ run }) => {
        if (run.kind === 'replaying') setTab('table');
      }),
    [],
  );
  return (
    <div className="demonstrations">
      <Tabs.Root value={tab} onValueChange={setTab}>
        <div className="title-row">
          <h2>Demonstrations</h2>
          <Tabs.List className="tabs" aria-label="Where demonstrations come from">
            {TABS.map(({ value, label }) => (
              <Tabs.Trigger key={value} value={value} className="tab">
                {label}
              </Tabs.Trigger>
            ))}
          </Tabs.List>
        </div>
        <Tabs.Content value="table" className="tab-content">
          <TableRecorder policy={policy} />
        </Tabs.Content>
        <Tabs.Content value="camera" className="tab-content">
          <CameraRecorder policy={policy} />
        </Tabs.Content>
        <Tabs.Content value="expert" className="tab-content">
          <ExpertPicker policy={policy} disabled={running} />
        </Tabs.Content>
        <Tabs.Content value="dataset" className="tab-content">
          <DatasetPicker disabled={running} />
        </Tabs.Content>
      </Tabs.Root>
      {demonstrations.kind === 'failed' && (
        <FailureNotice failure={demonstrations.failure} title="These demonstrations cannot be read" />
      )}
      {demonstrations.kind === 'opening' && (
        <div aria-busy="true">
          <p className="waiting" id="opening">
            Reading actions and states
            {demonstrations.total > 0 && `, episode ${demonstrations.done} of ${demonstrations.total}`}…
          </p>
          <progress max={demonstrations.total || 1} value={demonstrations.done} aria-labelledby="opening" />
          <button type="button" onClick={() => void closeDemonstrations()}>
            Stop reading
          </button>
        </div>
      )}
      {demonstrations.kind === 'none' && (
        <>
          <Earlier disabled={running} />
          <p className="section-hint">
            Ten to fifty episodes are usual. Every one is kept on this device, and can be looked at, trimmed
            and relabelled before anything is trained on it.
          </p>
        </>
      )}
      {demonstrations.kind === 'open' && (
        <>
          <Opened info={demonstrations.info} policy={policy} />
          <div className="actions">
            <button type="button" disabled={running} onClick={() => void closeOpened()}>
              Close these
            </button>
          </div>
        </>
      )}
    </div>
  );
}
