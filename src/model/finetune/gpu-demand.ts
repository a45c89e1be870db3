/** What a policy asks of a GPU to predict and to be fine-tuned, from its manifest, before any weight is fetched. */
import { ModelError } from '../../base/errors.ts';
import { headOf } from '../heads/index.ts';
import type { GpuDemand, PackageDemand } from '../policy/capability.ts';
import type { PolicyConfig } from '../policy/config.ts';
import { actionTokens } from '../policy/sequence.ts';
import type { BackendChoice } from '../runtime/backend.ts';
import { planGpuMemory, type GpuMemory, type GpuMemoryOptions } from './gpu-memory.ts';

/** Bytes of weights below which a policy fits on any GPU, and is not worth planning before it is loaded. */
const WORTH_PLANNING = 64e6;

/** Of a usual instruction, its template, and the stop token. */
const PROMPT_TOKENS = 40;
/** WebGPU guarantees as many, and nobody has fewer. */
const WORKGROUPS = 65535;
/** upstream's finetune.py */
const RANK = 32;

type Tensors = Parameters<typeof planGpuMemory>[1];

type Plan = { readonly memory: GpuMemory } | { readonly refusal: string };

/** The demand of a package with what is planned for the GPU that was chosen; the rough one elsewhere, and for small policies. */
export async function plannedDemandOf(
  demand: PackageDemand,
  config: PolicyConfig,
  tensors: Tensors,
  { backend, limits }: BackendChoice,
): Promise<PackageDemand> {
  if (backend !== 'webgpu' || !limits || demand.weightBytes < WORTH_PLANNING) return demand;
  return { ...demand, gpu: await gpuDemandOf(config, tensors, limits) };
}

/** @returns null for a policy whose prediction is not planned: the original OpenVLA's, token by token */
export async function gpuDemandOf(
  config: PolicyConfig,
  tensors: Tensors,
  limits: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number },
): Promise<GpuDemand | null> {
  if (headOf(config).generates) return null;
  const options: GpuMemoryOptions = {
    textTokens: PROMPT_TOKENS + actionTokens(config),
    limits: { ...limits, maxComputeWorkgroupsPerDimension: WORKGROUPS },
  };
  const prediction = await planned(config, tensors, options);
  const training = await planned(config, tensors, { ...options, training: { rank: RANK, batch: 1 } });
  return { prediction: demand(prediction), training: { ...demand(training), rank: RANK, batch: 1 } };
}

async function planned(config: PolicyConfig, tensors: Tensors, options: GpuMemoryOptions): Promise<Plan> {
  try {
    return { memory: await planGpuMemory(config, tensors, options) };
  } catch (error) {
    // A dispatch, or a buffer, that is larger than the device allows.
    if (error instanceof ModelError && error.code === 'bad-shape') return { refusal: error.message };
    throw error;
  }
}

const demand = (plan: Plan): GpuDemand['prediction'] =>
  'refusal' in plan
    ? { bytes: null, largestBuffer: null, refusal: plan.refusal }
    : { bytes: plan.memory.total, largestBuffer: plan.memory.largestBuffer, refusal: null };
