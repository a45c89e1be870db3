import { create } from 'zustand';
import type {
  BackendPreference,
  CapabilityReport,
  LoadProgress,
  PolicyInfo,
} from '../../workers/boundary/contract.ts';
import type { LeaseState } from '../../workers/boundary/contract-lease.ts';
import type { Failure } from '../status/failure.ts';

export const NOTHING_LOADED: LeaseState = { kind: 'idle', run: null };

export type PolicyStatus =
  /** The address names a policy on another host, of which nothing is fetched before a yes. */
  | { kind: 'asking'; host: string }
  | { kind: 'inspecting' }
  | { kind: 'inspected'; report: CapabilityReport }
  | { kind: 'loading'; report: CapabilityReport; progress: LoadProgress | null; cancelling: boolean }
  | { kind: 'ready'; report: CapabilityReport; info: PolicyInfo }
  /** `report` is null where not even the manifest could be read. */
  | { kind: 'failed'; failure: Failure; report: CapabilityReport | null; progress: LoadProgress | null };

/** A policy that was loaded when another one was asked for. */
export interface Before {
  readonly url: string;
  readonly status: Extract<PolicyStatus, { kind: 'ready' }>;
  readonly inUse: PolicyInfo | null;
}

/** Another policy is asked for, while the loaded one stays in use. */
export type Asked =
  | { readonly kind: 'none' }
  | { readonly kind: 'reading'; readonly url: string }
  | { readonly kind: 'refused'; readonly url: string; readonly failure: Failure };

interface PolicyState {
  url: string;
  /** Where the user wants it to run. */
  backend: BackendPreference;
  status: PolicyStatus;
  /** What predicts, where that is not the policy as it was loaded: with the robot, head and statistics of an adapter, or of a run. */
  inUse: PolicyInfo | null;
  /** What the worker does with its policy, as the worker says. */
  lease: LeaseState;
  asked: Asked;
  /** To go back to, as long as the worker has it. */
  before: Before | null;
  setUrl: (url: string) => void;
  setBackend: (backend: BackendPreference) => void;
  setStatus: (status: PolicyStatus) => void;
  setLease: (lease: LeaseState) => void;
  setInUse: (info: PolicyInfo) => void;
}

/** Which policy the page is about, and how far it has come with it. Changed by policy-session.ts only. */
export const usePolicyStore = create<PolicyState>()((set) => ({
  url: '',
  backend: 'auto',
  status: { kind: 'inspecting' },
  lease: NOTHING_LOADED,
  inUse: null,
  asked: { kind: 'none' },
  before: null,
  setUrl: (url) => set({ url, status: { kind: 'inspecting' }, inUse: null }),
  setBackend: (backend) => set({ backend }),
  setStatus: (status) => set({ status, inUse: null }),
  setLease: (lease) => set({ lease }),
  setInUse: (info) => set({ inUse: info.adapted ? info : null }),
}));

/** What is loaded now, to be gone back to; null while nothing is. */
export function loadedNow(): Before | null {
  const { url, status, inUse } = usePolicyStore.getState();
  return status.kind === 'ready' ? { url, status, inUse } : null;
}

function predicting({ status, inUse }: PolicyState): PolicyInfo | null {
  return status.kind === 'ready' ? (inUse ?? status.info) : null;
}

/** The policy in use: the loaded one, or an adapter over it; null while none is loaded. */
export function usePolicyInfo(): PolicyInfo | null {
  return usePolicyStore(predicting);
}

/** True while a run has the policy: from its preparation until it has let go. */
export function useTraining(): boolean {
  return usePolicyStore((state) => state.lease.run !== null);
}

/** The same outside React. */
export function isTraining(): boolean {
  return usePolicyStore.getState().lease.run !== null;
}

/** The policy in use outside React, or null. */
export function currentPolicy(): PolicyInfo | null {
  return predicting(usePolicyStore.getState());
}

/** The policy as it was loaded, whatever lies over it; null while none is. */
export function loadedPolicy(): PolicyInfo | null {
  const { status } = usePolicyStore.getState();
  return status.kind === 'ready' ? status.info : null;
}
