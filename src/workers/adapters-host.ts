import { ModelError } from '../model/errors.ts';
import { adapterFile, readAdapterFile } from '../model/finetune/adapter-file.ts';
import { exportCheckpoint, exportMerged } from '../model/finetune/export-checkpoint.ts';
import { importCheckpoint } from '../model/finetune/import-checkpoint.ts';
import { LoadedAdapter } from '../model/finetune/loaded-adapter.ts';
import { shapesOf } from '../model/finetune/parameters.ts';
import type { TrainedState } from '../model/finetune/trained.ts';
import type { DatasetStatistics } from '../model/policy/statistics.ts';
import { sha256Hex } from '../model/weights/package-reader.ts';
import { blobAccess } from '../model/weights/random-access.ts';
import { openZipFolder, zipBlob, type NamedFolder } from '../model/weights/zip-folder.ts';
import type { AdapterInfo } from './contract-finetune.ts';
import type { TrainablePolicy } from './trainable-policy.ts';

/** What was trained over the loaded policy, or handed over: kept in memory, one of them in use. */
export class AdaptersHost {
  readonly #loaded: () => TrainablePolicy;
  readonly #known = new Map<string, { readonly info: AdapterInfo; readonly state: TrainedState }>();
  #active: { readonly id: string; readonly adapter: LoadedAdapter } | null = null;

  constructor(loaded: () => TrainablePolicy) {
    this.#loaded = loaded;
  }

  /** They belong to the policy: to be called when it is replaced. */
  reset(): void {
    this.#known.clear();
    this.#active?.adapter.dispose();
    this.#active = null;
  }

  list(): { adapters: AdapterInfo[]; active: string | null } {
    return {
      adapters: [...this.#known.values()].map(({ info }) => info),
      active: this.#active?.id ?? null,
    };
  }

  /** Of the adapter in use: they replace the policy's own. Null without an adapter, or where it brought none. */
  get statistics(): Readonly<Record<string, DatasetStatistics>> | null {
    return this.#active && this.statisticsOf(this.#active.id);
  }

  /** What an adapter was trained with; null where it brought none, or is not there. */
  statisticsOf(id: string): Readonly<Record<string, DatasetStatistics>> | null {
    const own = this.#known.get(id)?.state.statistics;
    return own && Object.keys(own).length > 0 ? (own as Record<string, DatasetStatistics>) : null;
  }

  remember(state: TrainedState, label: string): AdapterInfo {
    const id = `${label} at step ${state.step}`;
    let trainable = 0;
    for (const { a, b } of state.adapters.values()) trainable += a.data.length + b.data.length;
    for (const { data } of state.modules.values()) trainable += data.length;
    const info = { id, label, step: state.step, trainable };
    this.#known.set(id, { info, state });
    return info;
  }

  /** To be called with the policy in hand (`TrainablePolicy.turn`). @param id null for the policy as it was loaded */
  use(id: string | null): void {
    const { policy, runtime } = this.#loaded();
    const adapter = id === null ? null : new LoadedAdapter(runtime, policy.config, this.state(id));
    policy.use(adapter);
    this.#active?.adapter.dispose();
    this.#active = adapter && { id: id!, adapter };
  }

  /** Lays the one in use over the policy again, after something else lay there. */
  useAgain(): void {
    if (this.#active) this.#loaded().policy.use(this.#active.adapter);
  }

  /** Upstream's checkpoint folder, or the whole merged model, as a zip. */
  async exportZip(
    id: string,
    kind: 'checkpoint' | 'merged',
    onProgress: (done: number, total: number) => void,
  ): Promise<Blob> {
    const { policy, source, name, tokenizer } = this.#loaded();
    const base = {
      config: policy.config,
      source,
      name,
      tokenizer: new TextEncoder().encode(JSON.stringify(tokenizer)),
    };
    const state = this.state(id);
    return zipBlob(kind === 'merged' ? exportMerged(state, base) : exportCheckpoint(state, base), onProgress);
  }

  /** @throws ModelError where the checkpoint is damaged or belongs to another policy; nothing is changed then */
  async importFolder(
    from: { kind: 'zip'; file: File } | { kind: 'files'; files: { path: string; file: File }[] },
  ): Promise<AdapterInfo> {
    const { policy, source } = this.#loaded();
    const folder =
      from.kind === 'zip' ? await openZipFolder(from.file, from.file.name) : handedFolder(from.files);
    const state = await importCheckpoint(folder, { config: policy.config, shapes: shapesOf(source) });
    return this.remember(state, `${state.run} (imported)`);
  }

  /** An adapter as one safetensors file. */
  async file(id: string): Promise<{ file: Blob; sha256: string }> {
    const chunks: BlobPart[] = [];
    for await (const chunk of adapterFile(this.state(id)).chunks()) chunks.push(chunk);
    const file = new Blob(chunks, { type: 'application/octet-stream' });
    return { file, sha256: await sha256Hex(new Uint8Array(await file.arrayBuffer())) };
  }

  async openFile(file: Blob, label: string): Promise<AdapterInfo> {
    const { policy, source } = this.#loaded();
    const state = await readAdapterFile(blobAccess(file), {
      config: policy.config,
      shapes: shapesOf(source),
    });
    return this.remember(state, label);
  }

  /** @throws ModelError `bad-input` for an id that is not there */
  state(id: string): TrainedState {
    const known = this.#known.get(id);
    if (known) return known.state;
    throw new ModelError(
      'bad-input',
      `There is no adapter "${id}"; there are ${[...this.#known.keys()].join(', ') || 'none'}.`,
    );
  }
}

/** A folder as the page hands it over. */
function handedFolder(files: readonly { path: string; file: File }[]): NamedFolder {
  const byPath = new Map(files.map(({ path, file }) => [path, file]));
  return {
    name: files[0]?.path.split('/')[0] ?? 'checkpoint',
    files: [...byPath.keys()],
    open: async (path) => {
      const file = byPath.get(path);
      if (file) return blobAccess(file);
      throw new ModelError(
        'bad-file',
        `The folder has no file ${path}.`,
        'Choose the whole checkpoint folder.',
      );
    },
  };
}
