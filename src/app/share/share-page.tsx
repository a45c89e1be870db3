import { useEffect, useId, useState } from 'react';
import type { PolicyInfo } from '../../workers/boundary/contract.ts';
import { isFetchable } from '../../share/share-manifest.ts';
import { formatBytes } from '../format.ts';
import { adapterName } from '../finetune/adapter-name.ts';
import { useFineTuneStore } from '../finetune/finetune-store.ts';
import { useInstructionStore } from '../instruction/instruction-store.ts';
import { DeleteButton } from '../controls/delete-button.tsx';
import { FailureNotice } from '../status/failure-notice.tsx';
import {
  cancelSharing,
  isLocal,
  manifestOf,
  lookForServer,
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
                {!share.server && '; the link contains everything except the adapter file'}
              </p>
            </div>
            <div className="actions">
              {share.server ? (
                <DeleteButton label="Delete from the server" onDelete={() => void removeShare(share)} />
              ) : (
                <button type="button" onClick={() => void removeShare(share)}>
                  Remove from this list
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function StaticHost({
  text,
  adapter,
  ready,
}: {
  text: ShareText;
  adapter: string | null;
  /** What a link needs besides is there. */
  ready: boolean;
}) {
  const [url, setUrl] = useState('');
  const field = useId();
  return (
    <>
      <p className="aside">
        This site has no share server, so the link itself contains everything.
        {adapter && ' Download the adapter file, upload it somewhere public, and paste its address.'}
      </p>
      {adapter && (
        <div className="share-hosted">
          <button type="button" onClick={() => void saveAdapterFile()}>
            Download the adapter file
          </button>
          <label htmlFor={field}>Address of the adapter file</label>
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
        disabled={!ready || (adapter !== null && !url.trim())}
        onClick={() => void shareAsLink(text, adapter ? url.trim() : null)}
      >
        Create link
      </button>
    </>
  );
}

/** Sharing what was taught, and the policies stored on this device. */
export default function SharePage({ info }: { info: PolicyInfo }) {
  const { work, server, failure } = useShareStore();
  const active = useFineTuneStore((state) => state.active);
  const adapters = useFineTuneStore((state) => state.adapters);
  // What the link opens with.
  useInstructionStore((state) => state.text);
  const adapter = adapters.find(({ id }) => id === active);
  const [title, setTitle] = useState('');
  const [author, setAuthor] = useState('');
  const [note, setNote] = useState('');
  const field = useId();
  useEffect(() => void prepareSharing(), []);
  const busy = work.kind === 'uploading';
  const [policyUrl, setPolicyUrl] = useState('');
  const local = isLocal(info.package.url);
  const text: ShareText = {
    title: title.trim(),
    author: author.trim(),
    note: note.trim(),
    policyUrl: local ? policyUrl.trim() : null,
  };
  const ready = text.title !== '' && (!local || isFetchable(text.policyUrl ?? ''));
  const manifest = manifestOf(text, active ? { sha256: '', bytes: 0, url: null } : null);
  return (
    <div className="share">
      <section className="share-part" aria-labelledby="share-title">
        <h2 id="share-title">Share</h2>
        <p className="section-hint">
          Anyone with the link gets this policy{adapter && `, with “${adapterName(adapter, adapters)}”`},{' '}
          {manifest.scene.view === 'table' && 'a table '}
          {manifest.scene.instruction
            ? `and the instruction “${manifest.scene.instruction}”`
            : 'and no instruction'}
          , and can keep teaching it. Recordings are not included.
        </p>
        {local && (
          <div className="share-hosted">
            <p className="notice notice-calm" role="note">
              “{info.package.name}” was added from a folder on this device, where nobody else can get it. Put
              the package on a host that others reach, and give its address first.
            </p>
            <label htmlFor={`${field}-policy`}>Address of the policy’s manifest.json</label>
            <input
              id={`${field}-policy`}
              type="url"
              placeholder="https://…/manifest.json"
              value={policyUrl}
              disabled={busy}
              onChange={(event) => setPolicyUrl(event.target.value)}
            />
          </div>
        )}
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
            <label htmlFor={`${field}-author`}>Your name (optional)</label>
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
            <label htmlFor={`${field}-note`}>Description (optional)</label>
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
          <summary>What is shared</summary>
          <ShareFacts manifest={manifest} />
        </details>
        {server === null && <p className="waiting">Checking for a share server…</p>}
        {server === 'unreachable' && (
          <div className="actions">
            <p className="aside">
              {location.host} could not be reached, so nothing can be shared now. What you taught is kept on
              this device.
            </p>
            <button type="button" onClick={() => void lookForServer()}>
              Try again
            </button>
          </div>
        )}
        {server === 'none' && <StaticHost text={text} adapter={active} ready={ready} />}
        {server === 'here' && !busy && (
          <div className="actions">
            <button
              type="button"
              className="button-primary button-large"
              disabled={!ready}
              onClick={() => void shareOnServer(text)}
            >
              Share
            </button>
            <p className="aside">
              {active ? 'Uploads the adapter' : 'Uploads a description'} to {location.host}. Nothing else
              leaves this device.
            </p>
          </div>
        )}
        {work.kind === 'uploading' && (
          <div aria-busy="true">
            <p className="waiting" id="uploading">
              Uploading, {formatBytes(work.sent)} of {formatBytes(work.total)}
              {work.waiting && '. Connection lost; trying again…'}
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
        {failure && <FailureNotice failure={failure} title="Sharing failed" />}
      </section>
      <Own />
    </div>
  );
}
