import { useState } from 'react';
import type { DemonstrationsInfo, Finding } from '../../workers/boundary/contract-demonstrations.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { showEpisode, useEpisodeStore } from './episode-session.ts';

/** What is worth a word beside an episode's name. */
function marks(index: number, findings: readonly Finding[]): string {
  const own = findings.filter(({ episode, severity }) => episode === index && severity === 'warning');
  return own.map(({ message }) => message).join(' ');
}

/** How many are shown before "show all": a long list is slow to read and to draw. */
const FIRST = 60;

/** All episodes as recorded, with what is changed of them; one is chosen to be looked at. */
export function EpisodeList({ info }: { info: DemonstrationsInfo }) {
  const edits = useFineTuneStore((state) => state.edits);
  const found = useFineTuneStore((state) => state.findings);
  const shown = useEpisodeStore((state) => state.track?.index ?? null);
  const [all, setAll] = useState(false);
  const findings = found.kind === 'found' ? found.findings : [];
  const listed = all ? info.recorded : info.recorded.slice(0, FIRST);
  return (
    <>
      <ol className="episode-list" aria-label="Episodes">
        {listed.map(({ index, length, instruction, rehearsal }, at) => {
          const edit = edits[index];
          const warning = marks(index, findings);
          const kept = edit?.keep ? edit.keep[1] - edit.keep[0] : length;
          return (
            <li key={index} data-deleted={edit?.deleted === true}>
              <button
                type="button"
                aria-current={shown === index ? 'true' : undefined}
                onClick={() => void showEpisode(index)}
              >
                <span className="number">{at + 1}</span>
                <span className="episode-name">{edit?.instruction ?? (instruction || 'no instruction')}</span>
                <span className="aside number">{kept} steps</span>
                {rehearsal && <span className="tag">rehearsal</span>}
                {edit?.deleted && <span className="tag">deleted</span>}
                {edit?.success === false && <span className="tag">failure</span>}
                {edit?.keep && <span className="tag">trimmed</span>}
                {warning && (
                  <span className="tag tag-warn" title={warning}>
                    look at it
                  </span>
                )}
              </button>
            </li>
          );
        })}
      </ol>
      {listed.length < info.recorded.length && (
        <button type="button" onClick={() => setAll(true)}>
          Show all {info.recorded.length} episodes
        </button>
      )}
    </>
  );
}
