import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { isolatePage } from './isolation.ts';
import { openNamedPolicy, openPolicy } from './policy/policy-session.ts';
import { fetchTableFirst } from './practice/table-files.ts';
import { useShareStore } from './share/share-store.ts';
import type { Failure } from './status/failure.ts';
import {
  addressedShare,
  defaultPolicyUrl,
  namesPolicy,
  readUrlState,
  type AddressedShare,
} from './url-state.ts';
import { wireStores } from './wire-stores.ts';
import './tokens.css';
import './base.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element with id "root".');

async function openSharedLink(share: AddressedShare): Promise<void> {
  try {
    const { openShare } = await import('./share/open-share.ts');
    await openShare(share);
  } catch {
    const failure: Failure = {
      code: 'part-missing',
      message: 'What opens shared links is not on this device, and could not be fetched.',
      hint: 'Connect to the network and reload the page.',
    };
    useShareStore.setState({ opened: { kind: 'failed', failure, manifest: null } });
    await openPolicy(defaultPolicyUrl(), true);
  }
}

async function start(container: HTMLElement): Promise<void> {
  if (await isolatePage()) return;
  wireStores();
  const share = addressedShare();
  if (share) void openSharedLink(share);
  // What ships with the page is part of it; any other policy is fetched when the visitor says so.
  else if (namesPolicy()) void openNamedPolicy(readUrlState().policyUrl);
  else void openPolicy(readUrlState().policyUrl, true, fetchTableFirst());
  // A link pasted over this page's own address changes only what is behind the #.
  window.addEventListener('hashchange', () => {
    if (addressedShare()) location.reload();
  });

  createRoot(container).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

void start(root);
