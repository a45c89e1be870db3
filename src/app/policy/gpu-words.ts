/** What is known of a GPU and its kernels, in words. */
import type { GpuReport } from '../../workers/boundary/contract.ts';

/** A sentence for everybody where something of the GPU is wrong; null where all is well. */
export function gpuWarning({ executor, check }: GpuReport): string | null {
  const faults = check?.faults ?? [];
  if (faults.length === 0) return null;
  if (executor === 'own') {
    const kernels = list(faults.map(({ kernel }) => kernel));
    return `This GPU computes wrong results with ${kernels}. ${list(faults.map(({ replacement }) => replacement!))} is used instead.`;
  }
  const kernels = list(faults.filter(({ replacement }) => replacement === null).map(({ kernel }) => kernel));
  return `This GPU computes wrong results with ${kernels}, so onnxruntime computes instead of this page's own kernels.`;
}

/** The whole diagnosis, a line each: what to send along with a report of a fault. */
export function gpuLines({ executor, check, tuned }: GpuReport): string[] {
  const lines = [
    executor === 'own'
      ? "Computed by this page's own kernels."
      : "Computed by onnxruntime, as this page's own kernels are wrong on this GPU.",
  ];
  if (check) {
    const when = check.elapsedMs === null ? 'on an earlier visit' : `in ${milliseconds(check.elapsedMs)}`;
    lines.push(`Checked against float64 ${when}. Right: ${check.right.join(', ') || 'none'}.`);
  }
  for (const { kernel, check: name, problem, replacement } of check?.faults ?? []) {
    const instead = replacement ? `${replacement} is used instead` : 'nothing can replace it';
    lines.push(`Refused: ${kernel}, checked with "${name}": ${problem.replace(/\.$/, '')}. Here ${instead}.`);
  }
  for (const { shape, variant, times, wrong } of tuned) {
    const measured = Object.entries(times ?? {}).map(([name, ms]) => `${name} ${milliseconds(ms)}`);
    const why = times === null ? 'remembered' : `measured: ${measured.join(', ')}`;
    lines.push(
      `${shape}: ${variant} (${why}).${wrong.length > 0 ? ` Wrong, so never used: ${wrong.join(', ')}.` : ''}`,
    );
  }
  return lines;
}

const list = (names: readonly string[]): string => [...new Set(names)].join(', ');

const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;
