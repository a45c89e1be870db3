import { create } from 'zustand';
import type { ShareServer } from '../../share/share-client.ts';
import type { ShareManifest } from '../../share/share-manifest.ts';
import type { Failure } from '../status/failure.ts';

/** A share that the page was opened with. */
export type OpenedShare =
  | { kind: 'none' }
  | { kind: 'reading' }
  /** Known, and not used yet: the policy is on its way, or something has to be agreed to. */
  | { kind: 'known'; manifest: ShareManifest; agreed: boolean }
  | { kind: 'ready'; manifest: ShareManifest }
  | { kind: 'failed'; failure: Failure; manifest: ShareManifest | null };

/** One that this browser made, with what deletes it. */
export interface OwnShare {
  readonly title: string;
  readonly url: string;
  readonly createdAt: string;
  /** Null for links that carry everything themselves: nothing is kept anywhere. */
  readonly server: { readonly id: string; readonly token: string } | null;
}

export type ShareWork =
  | { kind: 'idle' }
  | { kind: 'uploading'; sent: number; total: number; waiting: boolean }
  | { kind: 'done'; share: OwnShare };

interface ShareState {
  opened: OpenedShare;
  work: ShareWork;
  own: readonly OwnShare[];
  /** Whether this page came from a share server; null until it has answered. */
  server: ShareServer | null;
  failure: Failure | null;
}

/** Sharing, and a share that was opened. Changed by the two sessions only. */
export const useShareStore = create<ShareState>()(() => ({
  opened: { kind: 'none' },
  work: { kind: 'idle' },
  own: [],
  server: null,
  failure: null,
}));
