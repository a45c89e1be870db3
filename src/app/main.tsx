import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { isolatePage } from './isolation.ts';
import { openNamedPolicy, openPolicy } from './policy/policy-session.ts';
import { addressedShare, namesPolicy, readUrlState } from './url-state.ts';
import { wireStores } from './wire-stores.ts';
import './tokens.css';
import './base.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element with id "root".');

async function start(container: HTMLElement): Promise<void> {
  if (await isolatePage()) return;
  wireStores();
  const share = addressedShare();
  if (share) void import('./share/open-share.ts').then(({ openShare }) => openShare(share));
  // What ships with the page is part of it; any other policy is fetched when the visitor says so.
  else if (namesPolicy()) void openNamedPolicy(readUrlState().policyUrl);
  else void openPolicy(readUrlState().policyUrl, true);
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
