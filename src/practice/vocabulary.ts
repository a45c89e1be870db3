/** What a policy trained on the table's tasks can make of somebody's own words. */
import type { Goal } from './goal.ts';
import { OBJECT_NAMES, type ObjectName } from './objects.ts';
import { goalOf, plainInstruction, TRAINED_TASKS } from './tasks.ts';

export type Understanding =
  /** An instruction that it was trained on, and what it needs lies there; or nothing was said. */
  | { readonly kind: 'known' }
  /** Words that no instruction in its training has, as they were typed. */
  | { readonly kind: 'unknown-words'; readonly words: readonly string[]; readonly nearest: string }
  /** Trained on, but these things do not lie there. */
  | { readonly kind: 'not-there'; readonly objects: readonly ObjectName[]; readonly nearest: string }
  /** Every word is known, but not in this order. */
  | { readonly kind: 'unknown-instruction'; readonly nearest: string };

/** Words that say little about what is meant: things are moved to a side, onto a plate, and towards. */
const FILLERS = new Set(['the', 'a', 'an', 'to', 'of', 'for', 'up', 'please', 'it', 'and', 'top', 'move']);
/** Everyday words for what the policy calls by another name; they help to find the nearest instruction. */
const SYNONYMS: Readonly<Record<string, string>> = {
  grab: 'lift',
  grasp: 'lift',
  take: 'lift',
  hold: 'lift',
  get: 'lift',
  shift: 'push',
  throw: 'drop',
  cube: 'block',
  brick: 'block',
  dish: 'plate',
  saucer: 'plate',
  inside: 'in',
};
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’-][\p{L}\p{M}\p{N}]+)*/gu;
/** Two words closer than this may be the same word, mistyped: share of letters that agree. */
const ALIKE = 0.6;
/** What a word of a suggestion costs that was not asked for. */
const UNASKED = 0.1;

const wordsOf = (text: string): string[] => text.match(WORD) ?? [];

let learnt: ReadonlySet<string> | null = null;

/** Every word of every instruction that the shipped policy was trained on. */
export function learntWords(): ReadonlySet<string> {
  learnt ??= new Set(
    TRAINED_TASKS.flatMap(({ goals, variedGoals = [], phrasings }) =>
      [...goals, ...variedGoals].flatMap((goal) => phrasings(goal).flatMap(wordsOf)),
    ),
  );
  return learnt;
}

/** Words it never learnt, in order, each once, as they were typed. */
export function unknownWords(instruction: string): string[] {
  const words = wordsOf(instruction);
  // Symbols alone are not words, and mean nothing to it either.
  if (words.length === 0) return instruction.trim() ? [instruction.trim()] : [];
  const seen = new Set<string>();
  return words.filter((word) => {
    const plain = word.toLowerCase();
    if (learntWords().has(plain) || seen.has(plain)) return false;
    seen.add(plain);
    return true;
  });
}

const needsOf = (goal: Goal): ObjectName[] => [
  goal.target,
  ...('destination' in goal ? [goal.destination] : []),
];

/** Lifting comes first: of all that is equally near it takes the least time to see. */
const BY_EASE = TRAINED_TASKS.toSorted((a, b) => Number(b.name === 'lift') - Number(a.name === 'lift'));

/** The trained instruction closest to these words among those that can be carried out with what lies there. */
export function nearestInstruction(instruction: string, objects: readonly string[]): string {
  const asked = wordsOf(plainInstruction(instruction))
    .filter((word) => !FILLERS.has(word))
    .map((word) => (Object.hasOwn(SYNONYMS, word) ? SYNONYMS[word]! : word));
  let best = { text: '', score: 0 };
  for (const { goals, phrasings } of BY_EASE) {
    for (const goal of goals) {
      if (!needsOf(goal).every((name) => objects.includes(name))) continue;
      for (const text of phrasings(goal)) {
        const score = scoreOf(text, asked);
        // Where nothing agrees the easiest will do.
        if (!best.text || score > best.score) best = { text, score: Math.max(0, score) };
      }
    }
  }
  return best.text;
}

function scoreOf(text: string, asked: readonly string[]): number {
  const words = wordsOf(text).filter((word) => !FILLERS.has(word));
  const matched = asked.reduce((sum, word) => sum + Math.max(0, ...words.map((w) => similarity(word, w))), 0);
  const unasked = words.filter((word) => !asked.some((other) => similarity(other, word) > 0)).length;
  return matched - UNASKED * unasked;
}

/** 1 for the same word, 0 for another one. */
function similarity(a: string, b: string): number {
  if (a === b) return 1;
  const alike = 1 - distance(a, b) / Math.max(a.length, b.length);
  return alike > ALIKE ? alike : 0;
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** @param objects what lies on the table */
export function understand(instruction: string, objects: readonly string[]): Understanding {
  if (!instruction.trim()) return { kind: 'known' };
  const nearest = nearestInstruction(instruction, objects);
  const words = unknownWords(instruction);
  if (words.length > 0) return { kind: 'unknown-words', words, nearest };
  const found = goalOf(instruction);
  if (found) {
    const missing = needsOf(found.goal).filter((name) => !objects.includes(name));
    return missing.length > 0 ? { kind: 'not-there', objects: missing, nearest } : { kind: 'known' };
  }
  const named = OBJECT_NAMES.filter((name) => ` ${plainInstruction(instruction)} `.includes(` ${name} `));
  const missing = named.filter((name) => !objects.includes(name));
  return missing.length > 0
    ? { kind: 'not-there', objects: missing, nearest }
    : { kind: 'unknown-instruction', nearest };
}
