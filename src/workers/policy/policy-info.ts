import type { PolicyConfig } from '../../model/policy/config.ts';
import type { BackendReport, PackageSummary, PolicyInfo } from '../boundary/contract.ts';

/** What the page shows of a policy. */
export function policyInfo(
  config: PolicyConfig,
  summary: PackageSummary,
  backend: BackendReport,
  repaired: string[],
  adapted = false,
): PolicyInfo {
  const { profile, network, statistics } = config;
  const { imageSize } = network.vits[0]!;
  const means = Object.entries(statistics).map(([key, { proprio }]) => [
    key,
    proprio?.mean ?? profile.state?.map(() => 0) ?? [],
  ]);
  return {
    package: summary,
    repaired,
    backend,
    robot: profile.name,
    adapted,
    head: config.head,
    imageSlots: [...profile.images],
    imageSize: { width: imageSize, height: imageSize },
    centerCrop: config.centerCrop,
    state: profile.state && [...profile.state],
    neutralState: profile.state && (Object.fromEntries(means) as Record<string, number[]>),
    unnormKeys: Object.keys(statistics),
    defaultUnnormKey: config.defaultUnnormKey,
    chunkSize: profile.chunkSize,
    actions: [...profile.actions],
    actionRange: Object.fromEntries(
      Object.entries(statistics).map(([key, { action }]) => [
        key,
        { q01: [...action.q01], q99: [...action.q99] },
      ]),
    ),
    controlHz: profile.controlHz,
    diffusionSteps: config.diffusion?.inferenceSteps ?? null,
  };
}
