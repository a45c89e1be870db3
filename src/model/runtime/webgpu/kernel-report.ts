/** What is known of our kernels on a device: plain data, for the page's diagnosis and for reports of faults. */
import { ModelError } from '../../../base/errors.ts';
import type { Styles } from './plan.ts';
import type { Tuned } from './tuner.ts';

/** A kernel that computed wrong numbers on a device, or that its driver refused. */
export interface KernelFault {
  /** Its name in `kernels/index.ts`. */
  readonly kernel: string;
  /** What it was to compute: the check's name. */
  readonly check: string;
  /** What was found and expected, or the driver's words; a sentence. */
  readonly problem: string;
  /** The kernel that computes it instead; null where every one was wrong. */
  readonly replacement: string | null;
}

export interface KernelCheck {
  /** Kernels that computed what they should. */
  readonly right: readonly string[];
  readonly faults: readonly KernelFault[];
  /** What has to be computed in another style than the device's. */
  readonly styles: Styles;
  /** Milliseconds; null for a check of an earlier visit. */
  readonly elapsedMs: number | null;
}

export interface KernelReport {
  readonly executor: 'own' | 'onnxruntime';
  /** Null where none was made. */
  readonly check: KernelCheck | null;
  readonly tuned: readonly Tuned[];
}

/** A shape of the policy's that none of our kernels computes right on this device; `fault` has no replacement. */
export class WrongKernelsError extends ModelError {
  readonly fault: KernelFault;

  constructor(fault: KernelFault) {
    super(
      'unsupported',
      `This GPU computes ${fault.check} wrong in every way that was tried (${fault.problem}).`,
      'Run on onnxruntime (?backend=webgpu-ort) or on the CPU (?backend=wasm) instead, update the graphics driver, and report the adapter.',
    );
    this.fault = fault;
  }
}

/** What a runtime knew before a shape turned out that it computes wrong: what to report where onnxruntime takes over. */
export const takenOver = (before: KernelReport | undefined, fault: KernelFault): KernelReport => ({
  executor: 'onnxruntime',
  check: {
    right: [],
    styles: {},
    elapsedMs: null,
    ...before?.check,
    faults: [...(before?.check?.faults ?? []), fault],
  },
  tuned: before?.tuned ?? [],
});

/** Whether everything can be computed by some kernel of ours. */
export const isUsable = ({ faults }: KernelCheck): boolean =>
  faults.every(({ replacement }) => replacement !== null);
