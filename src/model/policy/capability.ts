/** Can this machine run that package? Answered from the manifest alone, before anything large is downloaded. */
import type { BackendChoice } from '../runtime/backend.ts';

export interface PackageDemand {
  /** Bytes to download and store. */
  readonly storedBytes: number;
  /** Bytes of weights held while running. */
  readonly weightBytes: number;
  /** The largest single tensor as it is bound, bytes. */
  readonly largestTensorBytes: number;
  /** Rough size of activations, bytes. */
  readonly activationBytes: number;
  /** Rough arithmetic of a prediction, floating-point operations. */
  readonly flop: number;
  /** Null where a GPU's memory was not planned. */
  readonly gpu?: GpuDemand | null;
}

/** What is planned for a GPU, to the byte. */
export interface GpuDemand {
  readonly prediction: PlannedDemand;
  /** LoRA on all linear layers. */
  readonly training: PlannedDemand & { readonly rank: number; readonly batch: number };
}

export interface PlannedDemand {
  /** Of everything that is on the GPU at once; null where it cannot be run within the device's limits. */
  readonly bytes: number | null;
  readonly largestBuffer: number | null;
  /** Which limit is too small, in a sentence. */
  readonly refusal: string | null;
}

export interface Machine {
  readonly choice: BackendChoice;
  /** navigator.deviceMemory, GiB; browsers round it and cap it at 8 (some at 32), so it can only be a lower bound. */
  readonly deviceMemoryGib: number | null;
  readonly storage: { readonly quota: number; readonly usage: number } | null;
  /** Bytes of this package that are stored already. */
  readonly alreadyStored: number;
}

export interface Check {
  readonly id: 'memory' | 'gpu' | 'threads' | 'storage' | 'limits';
  readonly label: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly needed: string;
  readonly hint: string;
}

export interface Capability {
  readonly verdict: 'ok' | 'slow' | 'no';
  readonly checks: readonly Check[];
}

type GpuLimits = NonNullable<BackendChoice['limits']>;

/** A 32-bit WASM heap ends at 4 GiB; onnxruntime's own code, its arena and our copies need the rest. */
const WASM_HEAP = 3 * 2 ** 30;
/** What a thread of the CPU computes in a second; two reached 36 to 60 GFLOPS (docs/measurements.md). */
const CPU_FLOPS = 25e9;
/** Above this, seconds, nobody waits for a prediction with pleasure. */
const SLOW = 5;

export function assessCapability(demand: PackageDemand, machine: Machine): Capability {
  const checks = [
    gpuCheck(demand, machine),
    memoryCheck(demand, machine),
    limitsCheck(demand, machine),
    storageCheck(demand, machine),
  ];
  if (machine.choice.backend === 'wasm') checks.push(threadsCheck(machine));
  const failed = checks.some(({ status }) => status === 'fail');
  const slow = machine.choice.backend === 'wasm' && isHeavy(demand, machine);
  return { verdict: failed ? 'no' : slow ? 'slow' : 'ok', checks };
}

const secondsOnCpu = ({ flop }: PackageDemand, { choice }: Machine): number =>
  flop / (CPU_FLOPS * choice.threads);

const isHeavy = (demand: PackageDemand, machine: Machine): boolean => secondsOnCpu(demand, machine) > SLOW;

const cpuMemory = (demand: PackageDemand): number => demand.weightBytes + demand.activationBytes;

/** 27 → "30 seconds", 172 → "3 minutes": no more is known. */
function roughly(seconds: number): string {
  if (seconds >= 90) return `${Math.round(seconds / 60)} minutes`;
  return `${seconds < 10 ? Math.round(seconds) : 10 * Math.round(seconds / 10)} seconds`;
}

function gpuCheck(demand: PackageDemand, machine: Machine): Check {
  const { choice } = machine;
  const software = choice.backend === 'webgpu' && (choice.adapter?.isFallback ?? false);
  const onGpu = choice.backend === 'webgpu' && !software;
  const heavy = isHeavy(demand, machine);
  const onCpu =
    cpuMemory(demand) > WASM_HEAP
      ? 'Open the page in a browser with WebGPU, on a computer with a GPU.'
      : `It will run, but a prediction takes about ${roughly(secondsOnCpu(demand, machine))}. A browser with WebGPU on a real GPU makes it fast.`;
  const hint = software
    ? 'This GPU adapter is software and slower than the CPU; choose the CPU, or update the graphics driver.'
    : onCpu;
  const fine = onGpu || (!heavy && !software);
  return {
    id: 'gpu',
    label: 'Processor',
    status: fine ? 'ok' : 'warn',
    found: choice.reason,
    needed: heavy ? 'a GPU with WebGPU' : 'any CPU; a GPU is faster',
    hint: fine ? '' : hint,
  };
}

function memoryCheck(demand: PackageDemand, machine: Machine): Check {
  if (machine.choice.backend === 'webgpu' && demand.gpu) return gpuMemoryCheck(demand.gpu);
  const needed = cpuMemory(demand);
  const wasm = machine.choice.backend === 'wasm';
  const reported = machine.deviceMemoryGib === null ? null : machine.deviceMemoryGib * 2 ** 30;
  const overHeap = wasm && needed > WASM_HEAP;
  const overDevice = reported !== null && needed > reported;
  const found = reported === null ? 'This browser doesn’t say.' : `at least ${formatBytes(reported)}`;
  return {
    id: 'memory',
    label: 'Memory',
    status: overHeap ? 'fail' : overDevice ? 'warn' : 'ok',
    found: overHeap ? `${formatBytes(WASM_HEAP)} usable by WebAssembly` : found,
    needed: formatBytes(needed),
    hint: overHeap
      ? 'Use a browser with WebGPU on a real GPU, or a smaller or more strongly quantised package.'
      : overDevice
        ? 'Close other programs; browsers under-report memory, so it may still fit.'
        : '',
  };
}

const amount = ({ bytes }: PlannedDemand): string =>
  bytes === null ? 'more than this GPU can hold' : formatBytes(bytes);

/** No browser tells how much memory a GPU has, so this can say what is needed and no more. */
function gpuMemoryCheck({ prediction, training }: GpuDemand): Check {
  const samples = training.batch === 1 ? 'one sample at a time' : `${training.batch} samples at a time`;
  return {
    id: 'memory',
    label: 'Memory',
    status: 'ok',
    found: 'Browsers don’t say how much memory a GPU has.',
    needed: `${amount(prediction)} to predict; ${amount(training)} to fine-tune (LoRA rank ${training.rank}, ${samples})`,
    hint: '',
  };
}

function plannedLimitsCheck({ prediction, training }: GpuDemand, limits: GpuLimits): Check {
  const refusal = prediction.refusal ?? training.refusal;
  const largest = Math.max(prediction.largestBuffer ?? 0, training.largestBuffer ?? 0);
  const only = prediction.refusal === null ? 'It will predict here, but cannot be fine-tuned: ' : '';
  return {
    id: 'limits',
    label: 'Largest buffer',
    status: prediction.refusal ? 'fail' : training.refusal ? 'warn' : 'ok',
    found: `buffers of up to ${formatBytes(limits.maxBufferSize)}, ${formatBytes(limits.maxStorageBufferBindingSize)} of one at a time`,
    needed: largest > 0 ? formatBytes(largest) : 'more than this GPU offers',
    hint: refusal ? `${only}${refusal} Use a more strongly quantised package, or another GPU.` : '',
  };
}

function limitsCheck(demand: PackageDemand, { choice }: Machine): Check {
  if (choice.backend === 'webgpu' && choice.limits && demand.gpu)
    return plannedLimitsCheck(demand.gpu, choice.limits);
  const limit =
    choice.backend === 'webgpu' && choice.limits
      ? Math.min(choice.limits.maxBufferSize, choice.limits.maxStorageBufferBindingSize)
      : WASM_HEAP;
  const fits = demand.largestTensorBytes <= limit;
  return {
    id: 'limits',
    label: 'Largest tensor',
    status: fits ? 'ok' : 'fail',
    found: `up to ${formatBytes(limit)} in one buffer`,
    needed: formatBytes(demand.largestTensorBytes),
    hint: fits ? '' : 'This GPU cannot bind so large a buffer; use a more strongly quantised package.',
  };
}

function storageCheck(demand: PackageDemand, machine: Machine): Check {
  const needed = Math.max(0, demand.storedBytes - machine.alreadyStored);
  const free = machine.storage && machine.storage.quota - machine.storage.usage;
  const fits = free === null || needed <= free;
  return {
    id: 'storage',
    label: 'Storage',
    status: fits ? 'ok' : 'fail',
    found: free === null ? 'This browser doesn’t say.' : `${formatBytes(free)} free for this site`,
    needed: needed === 0 ? 'nothing: it is stored already' : formatBytes(needed),
    hint: fits ? '' : 'Free some disk space, or delete packages you no longer use.',
  };
}

function threadsCheck({ choice }: Machine): Check {
  return {
    id: 'threads',
    label: 'Threads',
    status: choice.threads > 1 ? 'ok' : 'warn',
    found: String(choice.threads),
    needed: '2 or more',
    hint:
      choice.threads > 1
        ? ''
        : 'The page is not cross-origin isolated (COOP and COEP headers), so it runs on one thread.',
  };
}

/** 1536 → "1.5 KB"; decimal units as file managers show them. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
