import { formatBytes } from '../model/policy/capability.ts';
import { ModelError } from '../model/errors.ts';
import { chooseBackend, currentHost, type BackendChoice } from '../model/runtime/backend.ts';
import type { Runtime } from '../model/runtime/runtime.ts';
import { createWebRuntime } from '../model/runtime/web.ts';
import { isBound } from '../model/network/loaded-weights.ts';
import { assessCapability, type PackageDemand } from '../model/policy/capability.ts';
import { parsePolicyConfig, type PolicyConfig } from '../model/policy/config.ts';
import { gaussianNoise } from '../model/policy/noise.ts';
import { createObserver, type Observer } from '../model/policy/observe.ts';
import { Policy, StageClock } from '../model/policy/policy.ts';
import { createTokenizer, type Tokenize } from '../model/policy/tokenizer.ts';
import type { ImageBytes } from '../model/policy/image-processor.ts';
import { inspectPackage, openPackage, removePackage, type PackageInspection } from '../model/weights/package.ts';
import { opfsShardStore } from '../model/weights/opfs-store.ts';
import type {
  BackendReport,
  CapabilityReport,
  Frame,
  LoadProgress,
  Observation,
  PackageSummary,
  PolicyInfo,
  Prediction,
  RawImage,
} from './contract.ts';
import { ortFiles } from './ort-files.ts';

interface Loaded {
  runtime: Runtime;
  policy: Policy;
  observer: Observer;
  tokenize: Tokenize;
}
