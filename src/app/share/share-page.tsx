import { useEffect, useId, useState } from 'react';
import type { PolicyInfo } from '../../workers/contract.ts';
import { formatBytes } from '../format.ts';
import { AdaptersSection } from '../finetune/stored-section.tsx';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { FailureNotice } from '../status/failure-notice.tsx';
import { ModelsSection } from './models-section.tsx';
import {
  cancelSharing,
  manifestOf,
  prepareSharing,
  removeShare,
  saveAdapterFile,
  shareAsLink,
  shareOnServer,
  type ShareText,
} from './share-session.ts';
import { ShareFacts } from './shared-banner.tsx';
import { useShareStore, type OwnShare } from './share-store.ts';
import '../finetune/finetune.css';
import './share.css';

function Link({ share }: { share: OwnShare }) {
  const [copied, setCopied] = useState(false);
  const field = useId();
  return (
    <div className="share-link">
      <label htmlFor={field}>Link to “{share.title}”</label>
      <input id={field} type="text" readOnly value={share.url} onFocus={(event) => event.target.select()} />
      <button
        type="button"
        className="button-primary"
        onClick={() =>
          void navigator.clipboard.writeText(share.url).then(
            () => setCopied(true),
            () => setCopied(false),
          )
        }
      >
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}

function Own() {
  const own = useShareStore((state) => state.own);
  if (own.length === 0) return null;
  return (
    <section className="share-part" aria-labelledby="own-title">
      <h3 id="own-title">Shared from this browser</h3>
      <ul className="stored">
        {own.map((share) => (
          <li key={share.url} className="stored-row">
            <div>
              <a href={share.url}>{share.title}</a>
              <p className="aside">
                {new Date(share.createdAt).toLocaleString()}
                {!share.server && '; the link carries everything but the adapter’s file'}
              </p>
            </div>
            <button type="button" onClick={() => void removeShare(share)}>
              {share.server ? 'Take it down' : 'Forget it'}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function StaticHost({ text, adapter }: { text: ShareText; adapter: string | null }) {
  const [url, setUrl] = useState('');
  const field = useId();
  return (
    <>
      <p className="aside">
        This page has no share server, so the link carries everything itself.
        {adapter &&
          ' The adapter’s file has to lie somewhere that others can reach: save it, put it there, and give its address.'}
      </p>
      {adapter && (
        <div className="share-hosted">
          <button type="button" onClick={() => void saveAdapterFile()}>
            Save the adapter’s file
          </button>
          <label htmlFor={field}>Address of the adapter’s file</label>
          <input
            id={field}
            type="url"
            placeholder="https://…/adapter.safetensors"
            value={url}
            onChange={(event) => setUrl(event.target.value)}
          />
        </div>
      )}
      <button
        type="button"
        className="button-primary button-large"
        disabled={!text.title.trim() || (adapter !== null && !url.trim())}
        onClick={() => void shareAsLink(text, adapter ? url.trim() : null)}
      >
        Make a link
      </button>
    </>
  );
}

/** Passing on what was taught, and keeping house: policies on this device. */
export default function SharePage({ info }: { info: PolicyInfo }) {
  const { work, server, failure } = useShareStore();
  const active = useFineTuneStore((state) => state.active);
  const [title, setTitle] = useState('');
  const [author, setAuthor] = useState('');
  const [note, setNote] = useState('');
  const field = useId();
  useEffect(() => void prepareSharing(), []);
  const text: ShareText = { title: title.trim(), author: author.trim(), note: note.trim() };
  const busy = work.kind === 'uploading';
  return (
    <div className="share">
      <section className="share-part" aria-labelledby="share-title">
        <h2 id="share-title">Share</h2>
        <p className="section-hint">
          Who opens the link gets this policy, {active ? `with “${active}”` : 'as it was loaded'}, this table
          and this instruction, and can go on teaching it. Recordings are not part of it.
        </p>
        <div className="share-form">
          <div className="option">
            <label htmlFor={`${field}-title`}>Title</label>
            <input
              id={`${field}-title`}
              type="text"
              maxLength={120}
              required
              value={title}
              disabled={busy}
              onChange={(event) => setTitle(event.target.value)}
            />
          </div>
          <div className="option">
            <label htmlFor={`${field}-author`}>Your name, if you like</label>
            <input
              id={`${field}-author`}
              type="text"
              maxLength={80}
              value={author}
              disabled={busy}
              onChange={(event) => setAuthor(event.target.value)}
            />
          </div>
          <div className="option share-note">
            <label htmlFor={`${field}-note`}>What should people know?</label>
            <textarea
              id={`${field}-note`}
              maxLength={2000}
              rows={3}
              value={note}
              disabled={busy}
              onChange={(event) => setNote(event.target.value)}
            />
          </div>
        </div>
        <details>
          <summary>What goes with it</summary>
          <ShareFacts manifest={manifestOf(text, active ? { sha256: '', bytes: 0, url: null } : null)} />
        </details>
        {server === null && <p className="waiting">Looking for a share server…</p>}
        {server === false && <StaticHost text={text} adapter={active} />}
        {server && !busy && (
          <div className="actions">
            <button
              type="button"
              className="button-primary button-large"
              disabled={!text.title}
              onClick={() => void shareOnServer(text)}
            >
              Share
            </button>
            <p className="aside">
              {active ? 'Uploads the adapter' : 'Uploads a description'} to {location.host}; this is the only
              thing that leaves this device.
            </p>
          </div>
        )}
        {work.kind === 'uploading' && (
          <div aria-busy="true">
            <p className="waiting" id="uploading">
              Uploading, {formatBytes(work.sent)} of {formatBytes(work.total)}
              {work.waiting && '. The connection broke; trying again…'}
            </p>
            <progress max={work.total} value={work.sent} aria-labelledby="uploading" />
            <div className="actions">
              <button type="button" onClick={cancelSharing}>
                Cancel
              </button>
            </div>
          </div>
        )}
        {work.kind === 'done' && <Link share={work.share} />}
        {failure && <FailureNotice failure={failure} title="Sharing did not work" />}
      </section>
      <Own />
      <AdaptersSection />
      <ModelsSection key={info.package.hash} />
    </div>
  );
}
