import { blobFolder } from '../../io/blob-folder.ts';
import { blobReader } from '../../io/byte-reader.ts';
import { zipFolder } from '../../io/zip-folder.ts';
import { adapterFile, readAdapterFile } from '../../model/finetune/adapter-file.ts';
import { exportCheckpoint, exportMerged } from '../../model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../../model/finetune/import-checkpoint.ts';
import type { LoadedAdapter } from '../../model/finetune/loaded-adapter.ts';
import { shapesOf, trainedFromCheckpoint } from '../../model/finetune/parameters.ts';
import type { TrainedState } from '../../model/finetune/trained.ts';
import { adaptedConfig } from '../../model/policy/own-config.ts';
import type { PolicyConfig } from '../../model/policy/config.ts';
import type { DatasetStatistics } from '../../model/policy/statistics.ts';
import { sha256Hex } from '../../base/sha256.ts';
import { checkpointFolder } from '../../model/weights/checkpoint.ts';
import { zipBlob } from '../../model/weights/zip-folder.ts';
import { adapterId } from './adapter-id.ts';
import { AdapterShelf } from './adapter-shelf.ts';
import type { AdapterInfo, AdapterOrigin, AdaptersApi } from '../boundary/contract-adapters.ts';
import { cancelled } from '../lease.ts';
import type { LoadedPolicy, PolicyFacts, PolicyLease } from './loaded-policy.ts';
import type { StoredRuns } from '../training/stored-runs.ts';
import type { InUse } from './variants.ts';

type Statistics = Readonly<Record<string, DatasetStatistics>>;

/** What was trained over the loaded policy, or handed over, and what of it lies over the policy now. */
export class AdaptersHost implements AdaptersApi {
  readonly #lease: PolicyLease;
  readonly #runs: StoredRuns;
  readonly #shelf = new AdapterShelf();
  #active: { readonly id: string; readonly adapter: LoadedAdapter; readonly inUse: InUse } | null = null;

  constructor(lease: PolicyLease, runs: StoredRuns) {
    this.#lease = lease;
    this.#runs = runs;
    lease.belongs(async () => {
      this.#shelf.clear();
      this.#active?.adapter.dispose();
      this.#active = null;
    });
  }

  async list(): Promise<{ adapters: AdapterInfo[]; active: string | null }> {
    return { adapters: this.#shelf.list(), active: this.#active?.id ?? null };
  }

  /** The adapter in use, where it is of another robot or head than the policy. */
  get other(): { readonly id: string; readonly config: PolicyConfig } | null {
    const active = this.#active;
    return active?.inUse.own ? { id: active.id, config: active.inUse.config } : null;
  }

  /** What policy and adapter are together. @throws ModelError as `state` */
  async configOf(id: string): Promise<PolicyConfig> {
    return adaptedConfig(this.#lease.facts.config, await this.state(id));
  }

  /** What an adapter was trained with; null where it brought none. */
  statisticsOf(id: string): Statistics | null {
    return this.#shelf.statistics(id);
  }

  /** @throws ModelError `bad-input` for an id that is not there, `bad-file` where it is not in memory any more and cannot be read again */
  state(id: string): Promise<TrainedState> {
    return this.#shelf.state(id);
  }

  /** What people know it by. */
  nameOf(id: string): string {
    const { label, step } = this.#shelf.info(id);
    return `${label} at step ${step}`;
  }

  async use(id: string | null): Promise<void> {
    const state = id === null ? null : await this.state(id);
    await this.#lease.turn('switching', async (held, signal) => {
      if (signal.aborted) throw cancelled('switching');
      // Here already, unless it could not be read when a run ended.
      await held.variants.base.policy.bringBack(held.source);
      await this.#lay(held, state && { id: id!, state });
    });
  }

  /**
   * In a turn to let go in: what was in use before lies over the policy again, or what the run trained.
   * @throws ModelError where there is no room for what the run trained (what was in use before is then in use again), or where the base's own
   *   head cannot be read back
   */
  async takeBack(
    held: LoadedPolicy,
    trained: { readonly id: string; readonly state: TrainedState } | null,
  ): Promise<void> {
    const { variants } = held;
    variants.use(this.#active?.inUse ?? variants.base, this.#active?.adapter ?? null);
    await variants.base.policy.bringBack(held.source);
    if (trained) await held.attempt(() => this.#lay(held, trained));
  }

  /** What a run trained. @param saved whether its checkpoint can be read again */
  remember(state: TrainedState, saved: boolean): Promise<AdapterInfo> {
    const facts = this.#lease.facts;
    const { run, step } = state;
    const read = saved ? () => this.#runState(facts, run, step) : null;
    return this.#add(facts, state, { label: run, origin: { kind: 'run', run }, read });
  }

  /** Its checkpoints are not there any more. */
  forgetRun(run: string): void {
    this.#shelf.forgetRun(run);
  }

  async openRun(run: string, step: number | null): Promise<AdapterInfo> {
    const facts = this.#lease.facts;
    const state = await this.#runState(facts, run, step);
    const read = () => this.#runState(facts, run, state.step);
    return this.#add(facts, state, { label: run, origin: { kind: 'run', run }, read });
  }

  /** Upstream's checkpoint folder, or the whole merged model, as a zip. */
  async exportZip(
    id: string,
    kind: 'checkpoint' | 'merged',
    onProgress: (done: number, total: number) => void,
  ): Promise<Blob> {
    const { config, source, name, tokenizer } = this.#lease.facts;
    const base = {
      config,
      source,
      name,
      tokenizer: new TextEncoder().encode(JSON.stringify(tokenizer)),
    };
    const state = await this.state(id);
    return zipBlob(kind === 'merged' ? exportMerged(state, base) : exportCheckpoint(state, base), onProgress);
  }

  /** @throws ModelError where the checkpoint is damaged or belongs to another policy; nothing is changed then */
  async importFolder(
    from: { kind: 'zip'; file: File } | { kind: 'files'; files: { path: string; file: File }[] },
  ): Promise<AdapterInfo> {
    return this.#open({ kind: 'imported' }, async ({ config, source }) => {
      const handed =
        from.kind === 'zip'
          ? await zipFolder(from.file.name, blobReader(from.file, from.file.name))
          : blobFolder(from.files[0]?.path.split('/')[0] ?? 'checkpoint', from.files);
      const state = await importCheckpoint(await checkpointFolder(handed), {
        config,
        shapes: shapesOf(source),
      });
      return { state, label: `${state.run} (imported)` };
    });
  }

  /** An adapter as one safetensors file. */
  async file(id: string): Promise<{ file: Blob; sha256: string }> {
    const chunks: BlobPart[] = [];
    for await (const chunk of adapterFile(await this.state(id)).chunks()) chunks.push(chunk);
    const file = new Blob(chunks, { type: 'application/octet-stream' });
    return { file, sha256: await sha256Hex(new Uint8Array(await file.arrayBuffer())) };
  }

  async openFile(file: Blob, label: string): Promise<AdapterInfo> {
    return this.#open({ kind: 'shared' }, async ({ config, source }) => ({
      state: await readAdapterFile(blobReader(file), { config, shapes: shapesOf(source) }),
      label,
    }));
  }

  /** Reads what was handed over, and keeps hold of it. */
  async #open(
    origin: AdapterOrigin,
    read: (facts: PolicyFacts) => Promise<{ state: TrainedState; label: string }>,
  ): Promise<AdapterInfo> {
    const facts = this.#lease.facts;
    const { state, label } = await read(facts);
    return this.#add(facts, state, { label, origin, read: async () => (await read(facts)).state });
  }

  /** @throws ModelError `cancelled` where another policy was loaded meanwhile: what was read belongs to the one before */
  async #add(
    facts: PolicyFacts,
    state: TrainedState,
    from: Parameters<AdapterShelf['put']>[2],
  ): Promise<AdapterInfo> {
    const id = await adapterId(state, from.label);
    if (this.#lease.facts !== facts) throw cancelled('switching');
    return this.#shelf.put(id, state, from, this.#active?.id ?? null);
  }

  async #runState({ config, source }: PolicyFacts, run: string, step: number | null): Promise<TrainedState> {
    return trainedFromCheckpoint(config, shapesOf(source), await this.#runs.checkpoint(run, step));
  }

  async #lay({ variants }: LoadedPolicy, what: { id: string; state: TrainedState } | null): Promise<void> {
    const inUse = what ? await variants.get(what.state) : variants.base;
    const adapter = what && variants.load(what.state);
    variants.use(inUse, adapter);
    this.#active?.adapter.dispose();
    this.#active = adapter && { id: what.id, adapter, inUse };
  }
}
