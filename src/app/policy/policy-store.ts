import { create } from 'zustand';
import type {
  BackendPreference,
  CapabilityReport,
  LoadProgress,
  PolicyInfo,
} from '../../workers/contract.ts';
import type { LeaseState } from '../../workers/contract-lease.ts';
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

interface PolicyState {
  url: string;
  /** Where the user wants it to run. */
  backend: BackendPreference;
  status: PolicyStatus;
  /** What the worker does with its policy, as the worker says. */
  lease: LeaseState;
  setUrl: (url: string) => void;
  setBackend: (backend: BackendPreference) => void;
  setStatus: (status: PolicyStatus) => void;
  setLease: (lease: LeaseState) => void;
}

/** Which policy the page is about, and how far it has come with it. Changed by policy-session.ts only. */
export const usePolicyStore = create<PolicyState>()((set) => ({
  url: '',
  backend: 'auto',
  status: { kind: 'inspecting' },
  lease: NOTHING_LOADED,
  setUrl: (url) => set({ url, status: { kind: 'inspecting' } }),
  setBackend: (backend) => set({ backend }),
  setStatus: (status) => set({ status }),
  setLease: (lease) => set({ lease }),
}));

/** The loaded policy, or null. */
export function usePolicyInfo(): PolicyInfo | null {
  return usePolicyStore((state) => (state.status.kind === 'ready' ? state.status.info : null));
}

/** True while a run has the policy: from its preparation until it has let go. */
export function useTraining(): boolean {
  return usePolicyStore((state) => state.lease.run !== null);
}

/** The same outside React. */
export function isTraining(): boolean {
  return usePolicyStore.getState().lease.run !== null;
}

/** The loaded policy outside React, or null. */
export function currentPolicy(): PolicyInfo | null {
  const { status } = usePolicyStore.getState();
  return status.kind === 'ready' ? status.info : null;
}
