import type { Inspection } from '../../src/episodes/inspect.ts';
import type { FieldStatistics } from '../../src/episodes/statistics.ts';

/** For people: a screen or two. */
export function asText(inspection: Inspection, standardised: (Inspection & { by: string }) | null): string {
  const { name, format, version, about, fps, episodes, cameras, reading } = inspection;
  const steps = episodes.reduce((sum, { length }) => sum + length, 0);
  const lines = [
    `${name}: ${format}${version === null ? '' : ` ${version}`}, ${episodes.length} episodes, ${steps} steps at ${fps} Hz`,
    ...(about === null ? [] : [about]),
    `cameras: ${cameras.map((camera) => `${camera.name} (${camera.width}×${camera.height})`).join(', ') || 'none'}`,
    ...tasks(inspection),
    ...table('action', inspection.actionNames, inspection.statistics?.action ?? null),
    ...table('state', inspection.stateNames ?? [], inspection.statistics?.proprio ?? null),
    ...kinds(inspection),
  ];
  const used = new Set([
    reading?.mapping.action,
    ...(reading?.mapping.state ?? []),
    ...(reading?.mapping.cameras ?? []),
  ]);
  const others = reading?.features.filter((feature) => !used.has(feature.name)) ?? [];
  if (others.length > 0)
    lines.push(`not used: ${others.map((one) => `${one.name} (${one.dtype})`).join(', ')}`);
  if (standardised) {
    lines.push(
      '',
      `Before training, openvla-oft standardises it (${standardised.by}): ${reading?.standardisation?.does ?? ''}`,
      ...table('action', standardised.actionNames, standardised.statistics?.action ?? null),
      ...table('state', standardised.stateNames ?? [], standardised.statistics?.proprio ?? null),
    );
  }
  return [...lines, '', ...findings(inspection)].join('\n');
}

function tasks({ episodes }: Inspection): string[] {
  const counts = new Map<string, number>();
  for (const episode of episodes) {
    for (const task of new Set(episode.tasks)) counts.set(task, (counts.get(task) ?? 0) + 1);
  }
  const silent = episodes.filter((episode) => episode.tasks.length === 0).length;
  return [
    ...[...counts].map(([task, count]) => `task in ${count} episode${count === 1 ? '' : 's'}: ${task}`),
    ...(silent > 0 ? [`without an instruction: ${silent} episodes`] : []),
  ];
}

function table(field: string, names: readonly string[], statistics: FieldStatistics | null): string[] {
  if (!statistics) return names.length > 0 ? [`${field}: ${names.join(', ')}`] : [`${field}: none`];
  const width = Math.max(field.length, ...names.map(({ length }) => length));
  return [
    `${field.padEnd(width)} ${['min', 'q01', 'mean', 'q99', 'max', 'std'].map((name) => name.padStart(11)).join('')}`,
    ...names.map((name, i) => {
      const { min, q01, mean, q99, max, std } = statistics;
      return `${name.padEnd(width)} ${[min, q01, mean, q99, max, std].map((values) => cell(values[i])).join('')}`;
    }),
  ];
}

function cell(value: number | undefined): string {
  return (value === undefined ? '' : value.toPrecision(4)).padStart(11);
}

function kinds({ actionKinds }: Inspection): string[] {
  const of = (wanted: string) =>
    actionKinds.filter(({ kind }) => kind === wanted).map(({ action }) => action);
  const said = [
    ['targets that the state reaches (absolute)', of('absolute')],
    ['steps that the state takes (delta)', of('delta')],
    ['not clear', of('unclear')],
  ] as const;
  return said.flatMap(([what, names]) =>
    names.length > 0 ? [`actions that look like ${what}: ${names.join(', ')}`] : [],
  );
}

function findings({ findings: all }: Inspection): string[] {
  if (all.length === 0) return ['No findings.'];
  return all.map(({ severity, episode, message, hint }) => {
    const where = episode === null ? '' : `episode ${episode}: `;
    return `${severity === 'warning' ? '!' : '·'} ${where}${message} ${hint}`;
  });
}
