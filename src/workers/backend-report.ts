import type { BackendChoice } from '../model/runtime/backend.ts';
import type { BackendReport } from './contract.ts';

export function backendReport({ backend, reason, adapter, threads }: BackendChoice): BackendReport {
  return { backend, reason, adapter, threads };
}
