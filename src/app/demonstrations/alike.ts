import type { Finding } from '../../workers/boundary/contract-demonstrations.ts';

/** More of one kind are one line. */
const MOST = 3;

/** Findings of one kind together where there are many of it, in the order of their first; else one by one. */
export function alike(findings: readonly Finding[]): Finding[][] {
  const kinds = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${finding.id} ${finding.episode === null}`;
    kinds.set(key, [...(kinds.get(key) ?? []), finding]);
  }
  return [...kinds.values()].flatMap((kind) =>
    kind.length > MOST ? [kind] : kind.map((finding) => [finding]),
  );
}

/** What a line about many says: how many, and the first as an example. */
export function countOf(group: readonly Finding[]): string {
  const [first] = group;
  const episodes = new Set(group.map(({ episode }) => episode));
  const where = first!.episode === null ? `${group.length} dimensions` : `${episodes.size} episodes`;
  return `${where} alike, such as: ${first!.message}`;
}
