import type { ShareManifest } from '../../share/share-manifest.ts';
import { successRate } from '../../practice/success-rate.ts';
import { Facts, type Fact } from '../controls/facts.tsx';
import { usePolicyInfo } from '../policy/policy-store.ts';
import { whyNotOnTable } from '../practice/practice-run.ts';
import { usePracticeStore } from '../practice/practice-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { useViewStore } from '../view-store.ts';
import { foreignHosts, loadShare } from './open-share.ts';
import { useShareStore } from './share-store.ts';
import './share.css';

const percent = (count: number, of: number): string => `${Math.round(100 * successRate(count, of).rate)} %`;

/** What a share is made of; everything in it is text somebody else wrote. */
export function ShareFacts({ manifest }: { manifest: ShareManifest }) {
  const { training, success, policy, scene } = manifest;
  const facts: Fact[] = [
    [
      'Base policy',
      <>
        {policy.name} <code title={policy.sha256}>{policy.sha256.slice(0, 12)}</code>
      </>,
    ],
    ['Instruction', scene.instruction ? `“${scene.instruction}”` : 'none'],
  ];
  if (scene.view === 'table' && scene.task !== null)
    facts.push(['Table', `${scene.task}, layout ${scene.seed}`]);
  if (training) {
    const { demonstrations, steps, batchSize, learningRate, lora, startedFrom } = training;
    facts.push(
      ['Demonstrations', `${demonstrations.episodes} of “${demonstrations.name}”`],
      [
        'Training',
        `${steps} steps of ${batchSize}, rate ${learningRate}${lora ? `, LoRA rank ${lora.r}` : ''}` +
          (startedFrom ? `, continued from “${startedFrom}”` : ''),
      ],
    );
  }
  return (
    <>
      <Facts facts={facts} />
      {success.length > 0 && (
        <table className="share-table">
          <caption>Success rate on the practice table, measured by the author</caption>
          <thead>
            <tr>
              <th scope="col">task</th>
              <th scope="col">before</th>
              <th scope="col">after</th>
              <th scope="col">episodes</th>
            </tr>
          </thead>
          <tbody>
            {success.map(({ task, before, after, episodes }) => (
              <tr key={task}>
                <th scope="row">{task}</th>
                <td>{before === null ? '–' : percent(before, episodes)}</td>
                <td>{after === null ? '–' : percent(after, episodes)}</td>
                <td>{episodes}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

/** Says what the visitor was sent, above everything else. */
export function SharedBanner() {
  const opened = useShareStore((state) => state.opened);
  const setStep = useViewStore((state) => state.setStep);
  const info = usePolicyInfo();
  // Which robot stands at the table is known once it is laid.
  usePracticeStore((state) => state.table);
  const unfit = info !== null && whyNotOnTable(info) !== null;
  if (opened.kind === 'none') return null;
  if (opened.kind === 'reading') return <p className="shared waiting">Opening the shared link…</p>;
  const { manifest } = opened;
  return (
    <section className="shared" aria-label="Shared with you">
      {manifest && (
        <>
          <h2>{manifest.title}</h2>
          <p className="aside">
            {manifest.author ? `By ${manifest.author}` : 'By an anonymous author'},{' '}
            <time dateTime={manifest.createdAt}>{new Date(manifest.createdAt).toLocaleDateString()}</time>
          </p>
          {manifest.note && <p className="shared-note">{manifest.note}</p>}
        </>
      )}
      {opened.kind === 'known' && !opened.agreed && (
        <div className="actions">
          <button type="button" className="button-primary" onClick={() => void loadShare()}>
            Load
          </button>
          <p className="aside">Downloads files from {foreignHosts(opened.manifest).join(' and ')}.</p>
        </div>
      )}
      {opened.kind === 'known' && opened.agreed && (
        <p className="waiting" aria-busy="true">
          Loading the policy and its adapter…
        </p>
      )}
      {opened.kind === 'failed' && (
        <FailureNotice failure={opened.failure} title="This shared link could not be opened">
          {manifest && (
            <button type="button" onClick={() => void loadShare()}>
              Try again
            </button>
          )}
        </FailureNotice>
      )}
      {opened.kind === 'ready' && (
        <div className="actions">
          <p className="shared-ready" role="status">
            {manifest?.scene.view === 'camera'
              ? 'Ready: give it images, and predict.'
              : unfit
                ? 'Ready, for another robot: give it images under “Camera”.'
                : 'Ready: press “Do it”.'}
          </p>
          <button type="button" onClick={() => setStep('demonstrations')}>
            Teach it more
          </button>
        </div>
      )}
      {manifest && (
        <details>
          <summary>Details</summary>
          <ShareFacts manifest={manifest} />
        </details>
      )}
    </section>
  );
}
