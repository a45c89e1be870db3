import { create } from 'zustand';
import type {
  BackendPreference,
  CapabilityReport,
  LoadProgress,
  PolicyInfo,
} from '../../workers/contract.ts';
import type { Failure } from '../status/failure.ts';

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
  setUrl: (url: string) => void;
  setBackend: (backend: BackendPreference) => void;
  setStatus: (status: PolicyStatus) => void;
}

/** Which policy the page is about, and how far it has come with it. Changed by policy-session.ts only. */
export const usePolicyStore = create<PolicyState>()((set) => ({
  url: '',
  backend: 'auto',
  status: { kind: 'inspecting' },
  setUrl: (url) => set({ url, status: { kind: 'inspecting' } }),
  setBackend: (backend) => set({ backend }),
  setStatus: (status) => set({ status }),
}));

/** The loaded policy, or null. */
export function usePolicyInfo(): PolicyInfo | null {
  return usePolicyStore((state) => (state.status.kind === 'ready' ? state.status.info : null));
}

/** The same outside React. */
export function currentPolicy(): PolicyInfo | null {
  const { status } = usePolicyStore.getState();
  return status.kind === 'ready' ? status.info : null;
}
