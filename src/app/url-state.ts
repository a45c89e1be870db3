import type { BackendPreference } from '../workers/boundary/contract.ts';
import type { TableLayout } from '../workers/boundary/contract-practice.ts';
import { pageRoot } from './page-root.ts';

/** What is worth sharing lives in the address: which policy, which instruction, and where it is to run. */
export interface UrlState {
  /** Address of the package's manifest, absolute. */
  policyUrl: string;
  instruction: string;
  /** `auto` where the address names none, or one that is unknown. */
  backend: BackendPreference;
  view: View;
  step: Step;
  /** What the practice table is laid for; null where the address does not say, or not so that it can be laid. */
  table: TableLayout | null;
}

/** What the policy works on: the simulated table, or cameras, videos and images. */
export type View = 'table' | 'camera';

/** Where in the studio: from running a policy to passing on what it was taught. */
export const STEPS = ['run', 'demonstrations', 'fine-tune', 'share'] as const;
/** The steps, and beside them the policies and adapters on this device. */
export const PLACES = [...STEPS, 'models'] as const;
export type Step = (typeof PLACES)[number];

/** The package that comes with the page. */
export function defaultPolicyUrl(): string {
  return new URL(`models/default/manifest.json?v=${import.meta.env.POLICY_VERSION}`, pageRoot()).href;
}

/** Whether a package is the one that comes with the page. */
export function isShippedPolicy(url: string): boolean {
  return url === defaultPolicyUrl();
}

/** Whether the address asks for a policy of its own: that one is not fetched before the visitor agrees. */
export function namesPolicy(): boolean {
  return new URLSearchParams(location.search).has('policy');
}

export type AddressedShare = { readonly id: string } | { readonly link: string };

/** The share that the address names: `/s/<id>`, or `#share=…`. */
export function addressedShare(): AddressedShare | null {
  const [, id] = /\/s\/([\w-]{8,64})\/?$/.exec(location.pathname) ?? [];
  if (id) return { id };
  const [, link] = /^#share=([\w-]+)$/.exec(location.hash) ?? [];
  return link ? { link } : null;
}

const BACKENDS = ['webgpu', 'webgpu-ort', 'wasm'] as const;

export function readUrlState(): UrlState {
  const query = new URLSearchParams(location.search);
  const policy = query.get('policy');
  const given = policy ? (URL.parse(policy, document.baseURI)?.href ?? policy) : null;
  const backend = query.get('backend');
  return {
    policyUrl: given ?? defaultPolicyUrl(),
    instruction: query.get('instruction') ?? '',
    table: tableOf(query),
    step: PLACES.find((step) => step === query.get('step')) ?? 'run',
    view: query.get('view') === 'camera' ? 'camera' : 'table',
    backend: BACKENDS.find((known) => known === backend) ?? 'auto',
  };
}

const TABLE_ROBOTS = ['gripper', 'so101'] as const;

const isSeed = (seed: number): boolean => Number.isSafeInteger(seed) && seed >= 0;

function tableOf(query: URLSearchParams): UrlState['table'] {
  const task = query.get('task');
  const seed = Number(query.get('seed') || Number.NaN);
  const named = query.get('robot') ?? 'gripper';
  const robot = TABLE_ROBOTS.find((known) => known === named);
  return task && robot && isSeed(seed) ? { task, seed, robot } : null;
}

/** Why the table that the address asks for cannot be laid, in a sentence; null where it asks for none, or for one that it names whole. */
export function wrongTable(): string | null {
  const query = new URLSearchParams(location.search);
  const [task, seed, robot] = [query.get('task'), query.get('seed'), query.get('robot')];
  if (tableOf(query) || (task ?? seed ?? robot) === null) return null;
  if (robot !== null && !TABLE_ROBOTS.some((known) => known === robot)) {
    return `The address asks for a robot “${robot}”; this table has ${TABLE_ROBOTS.join(' and ')}.`;
  }
  if (!task) return 'The address asks for a table, but names no task for it.';
  const found = seed ? `“${seed}”` : 'none';
  return `The address asks for the task “${task}” and needs a seed, a whole number from 0 up; found ${found}.`;
}

/** @param entry `push` for a place that Back leads away from; typing must not fill the history */
export function writeUrlState(change: Partial<UrlState>, entry: 'replace' | 'push' = 'replace'): void {
  const url = new URL(location.href);
  if (change.policyUrl !== undefined) {
    if (change.policyUrl === defaultPolicyUrl()) url.searchParams.delete('policy');
    else url.searchParams.set('policy', change.policyUrl);
  }
  if (change.instruction !== undefined) {
    if (change.instruction) url.searchParams.set('instruction', change.instruction);
    else url.searchParams.delete('instruction');
  }
  if (change.backend !== undefined) {
    if (change.backend === 'auto') url.searchParams.delete('backend');
    else url.searchParams.set('backend', change.backend);
  }
  if (change.view !== undefined) {
    if (change.view === 'table') url.searchParams.delete('view');
    else url.searchParams.set('view', change.view);
  }
  if (change.step !== undefined) {
    if (change.step === 'run') url.searchParams.delete('step');
    else url.searchParams.set('step', change.step);
  }
  if (change.table !== undefined) {
    if (change.table === null) {
      url.searchParams.delete('task');
      url.searchParams.delete('seed');
      url.searchParams.delete('robot');
    } else {
      url.searchParams.set('task', change.table.task);
      url.searchParams.set('seed', String(change.table.seed));
      if (change.table.robot === 'gripper') url.searchParams.delete('robot');
      else url.searchParams.set('robot', change.table.robot);
    }
  }
  if (entry === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
}
