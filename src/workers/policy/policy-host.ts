import * as Comlink from 'comlink';
import { assessCapability } from '../../model/policy/capability.ts';
import { parsePolicyConfig } from '../../model/policy/config.ts';
import { plannedDemandOf } from '../../model/finetune/gpu-demand.ts';
import { demandOf } from '../../model/policy/demand.ts';
import { inspectPackage } from '../../model/weights/package.ts';
import { AdaptersHost } from './adapters-host.ts';
import type {
  BackendPreference,
  CapabilityReport,
  Frame,
  LoadProgress,
  Observation,
  PolicyInfo,
  PolicyWorker,
  Prediction,
  RawImage,
} from '../boundary/contract.ts';
import type { Cancellable, LeaseState } from '../boundary/contract-lease.ts';
import { DemonstrationsHost } from '../training/demonstrations-host.ts';
import { Lease } from '../lease.ts';
import { backendReport } from './backend-report.ts';
import { loadPolicy, summaryOf } from './load-policy.ts';
import type { LoadedPolicy, PolicyFacts } from './loaded-policy.ts';
import { PackagesHost } from './packages-host.ts';
import { predictWith } from './predict.ts';
import { StoredRuns } from '../training/stored-runs.ts';
import type { Surroundings } from '../surroundings.ts';
import { TrainingHost } from '../training/training-host.ts';
import { offered } from '../boundary/transfer.ts';

/** What the policy worker does, apart from its messages: one policy at a time, behind one lease. */
export class PolicyHost implements PolicyWorker {
  readonly packages: PackagesHost;
  readonly demonstrations: DemonstrationsHost;
  readonly training: TrainingHost;
  readonly adapters: AdaptersHost;
  readonly #around: Surroundings;
  readonly #inUseWatchers = new Set<(info: PolicyInfo) => void>();
  readonly #lease = new Lease<PolicyFacts, LoadedPolicy>();

  constructor(around: Surroundings) {
    this.#around = around;
    const runs = new StoredRuns(around.runs, around.patienceMs);
    this.packages = new PackagesHost(around.packages);
    this.adapters = new AdaptersHost(this.#lease, runs);
    this.demonstrations = new DemonstrationsHost(this.#lease, this.adapters, around.now);
    this.training = new TrainingHost(this.#lease, around, {
      runs,
      adapters: this.adapters,
      demonstrations: this.demonstrations,
    });
  }

  async watch(onState: (state: LeaseState) => void): Promise<void> {
    this.#lease.watch(onState);
  }

  async watchInUse(onInfo: (info: PolicyInfo) => void): Promise<void> {
    this.#inUseWatchers.add(onInfo);
  }

  async inspect(url: string, backend: BackendPreference): Promise<CapabilityReport> {
    const around = this.#around;
    const inspection = await inspectPackage(url, { store: around.packages, fetch: around.fetch });
    const config = parsePolicyConfig(inspection.manifest.config);
    const choice = await around.chooseBackend(backend);
    const { manifest } = inspection;
    const rough = demandOf(manifest, config);
    // The plan is that of our executor.
    const ours = backend !== 'webgpu-ort';
    const demand = ours ? await plannedDemandOf(rough, config, manifest.tensors, choice) : rough;
    const { verdict, checks } = assessCapability(demand, {
      choice,
      deviceMemoryGib: around.deviceMemoryGib,
      storage: await around.storage(),
      alreadyStored: inspection.storedBytes,
    });
    return {
      verdict,
      backend: backendReport(choice),
      checks: [...checks],
      package: summaryOf(url, inspection),
    };
  }

  load(
    url: string,
    backend: BackendPreference,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<PolicyInfo> {
    const onInUse = (info: PolicyInfo): void => {
      for (const watcher of this.#inUseWatchers) watcher(info);
    };
    return this.#lease.load((control) =>
      loadPolicy(this.#around, { url, backend, onProgress, onInUse, ...control }),
    );
  }

  async cancel(what: Cancellable): Promise<void> {
    this.#lease.cancel(what);
  }

  async predict(observation: Observation): Promise<Prediction> {
    const { now } = this.#around;
    try {
      return await this.#lease.turn('predicting', (held, signal) =>
        predictWith(held, observation, { now, signal }),
      );
    } finally {
      close(observation.images);
    }
  }

  async serve(port: MessagePort): Promise<void> {
    const predict = (observation: Observation) => this.predict(observation);
    Comlink.expose(offered({ predict }), port);
  }

  async preview(images: Frame[]): Promise<RawImage[]> {
    try {
      return await this.#lease.turn('predicting', async ({ variants }) => [
        ...(await variants.inUse.observer.see(images)),
      ]);
    } finally {
      close(images);
    }
  }

  dispose(): Promise<void> {
    return this.#lease.dispose();
  }
}

/** However the call ends: a frame that is not closed holds a camera's buffer. */
function close(images: readonly Frame[]): void {
  for (const image of images) if ('close' in image) image.close();
}
