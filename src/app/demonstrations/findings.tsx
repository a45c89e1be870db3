import type { DemonstrationsInfo, Finding, FitNote } from '../../workers/boundary/contract-demonstrations.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { alike, countOf } from './alike.ts';
import { showEpisode, showStep } from './episode-session.ts';

/** The reviewer and the fit check both know these; the reviewer says more. */
const REVIEWED = new Set(['episodes', 'constant', 'short']);

function FitNotes({ notes }: { notes: readonly FitNote[] }) {
  if (notes.length === 0) return null;
  return (
    <div className="notice" role="alert">
      <h3>The policy cannot be trained on these</h3>
      <ul className="fit-notes">
        {notes.map(({ id, found, needed, hint }) => (
          <li key={id} data-id={id}>
            {said(id, found, needed)} <span className="notice-hint">{hint}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What does not fit, as a person says it. */
function said(id: string, found: string, needed: string): string {
  const of = { actions: 'These demonstrations have', state: 'These demonstrations have' }[id] ?? 'Found';
  return of === 'Found'
    ? `Found ${found}; needed ${needed}.`
    : `${of} ${found}; this policy expects ${needed}.`;
}

function place(info: DemonstrationsInfo, { episode, from }: Finding): string {
  if (episode === null) return '';
  const number = info.recorded.findIndex(({ index }) => index === episode) + 1;
  return from === undefined ? `Episode ${number}` : `Episode ${number}, step ${from}`;
}

function Line({ info, finding }: { info: DemonstrationsInfo; finding: Finding }) {
  return (
    <li data-id={finding.id}>
      {finding.episode !== null && (
        <button
          type="button"
          className="button-quiet"
          onClick={() => void showEpisode(finding.episode).then(() => showStep(finding.from ?? 0))}
        >
          {place(info, finding)}
        </button>
      )}{' '}
      {finding.message} <span className="notice-hint">{finding.hint}</span>
    </li>
  );
}

const keyOf = ({ id, episode, message }: Finding): string => `${id} ${episode} ${message}`;

function Findings({ info, findings }: { info: DemonstrationsInfo; findings: readonly Finding[] }) {
  return (
    <ul className="fit-notes">
      {alike(findings).map((group) =>
        group.length === 1 ? (
          <Line key={keyOf(group[0]!)} info={info} finding={group[0]!} />
        ) : (
          <li key={group[0]!.id}>
            <details>
              <summary>{countOf(group)}</summary>
              <ul className="fit-notes">
                {group.map((finding) => (
                  <Line key={keyOf(finding)} info={info} finding={finding} />
                ))}
              </ul>
            </details>
          </li>
        ),
      )}
    </ul>
  );
}

/** What should be known before training: why it cannot be done, what would make it worse, what is only worth knowing. */
export function BeforeTraining({ info }: { info: DemonstrationsInfo }) {
  const status = useFineTuneStore((state) => state.findings);
  const findings = status.kind === 'found' ? status.findings : [];
  const warnings = findings.filter(({ severity }) => severity === 'warning');
  const notes = findings.filter(({ severity }) => severity === 'note');
  const others = info.warnings.filter(({ id }) => !REVIEWED.has(id));
  return (
    <>
      <FitNotes notes={info.problems} />
      {(warnings.length > 0 || others.length > 0) && (
        <div className="notice notice-calm" role="note">
          <h3>Before you train</h3>
          <Findings info={info} findings={warnings} />
          {others.length > 0 && (
            <ul className="fit-notes">
              {others.map(({ id, found, needed, hint }) => (
                <li key={id} data-id={id}>
                  Found {found}; needed {needed}. <span className="notice-hint">{hint}</span>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      {notes.length > 0 && (
        <details>
          <summary>
            {notes.length === 1 ? 'One more thing' : `${notes.length} more things`} worth knowing
          </summary>
          <Findings info={info} findings={notes} />
        </details>
      )}
      {status.kind === 'looking' && <p className="waiting">Looking through the episodes…</p>}
    </>
  );
}
