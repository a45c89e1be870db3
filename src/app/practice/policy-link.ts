/** The channel between the table's worker and the policy's: what one sees reaches the other without a stop in the page. */
import type { PolicyClient, PracticeClient } from '../../workers/boundary/client.ts';
import { policyWorker } from '../policy/policy-session.ts';
import { practiceWorker } from './practice-session.ts';

/** Which workers are linked; either may be another one by now. */
let linked: { readonly policy: PolicyClient; readonly table: PracticeClient } | null = null;

/** @throws what either worker rejects with */
export async function linkPolicy(): Promise<void> {
  const policy = policyWorker();
  const table = practiceWorker();
  if (linked?.policy === policy && linked.table === table) return;
  const { port1, port2 } = new MessageChannel();
  await policy.serve(port1);
  await table.linkPolicy(port2);
  linked = { policy, table };
}
