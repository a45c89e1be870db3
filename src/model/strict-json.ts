/**
 * JSON as strangers may send it: a key that occurs twice in one object is refused. `JSON.parse` keeps the last one and other readers the
 * first, so two programs could find different things in the same bytes.
 */
/** How long a scan may hold the thread at a stretch. */
export const STRETCH_MS = 8;
/** Strings between two looks at the clock. */
const STRINGS_PER_LOOK = 512;

/** @throws SyntaxError for text that is not JSON, or that names a key twice in one object */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  for (const key of duplicateKeys(text)) if (key !== null) throw duplicate(key);
  return value;
}

/** Lets other work of this thread have its turn. */
export function pause(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done);
  });
}

/** As `parseStrictJson`, giving way to other work every few milliseconds, apart from the parsing itself. */
export async function parseStrictJsonInTurns(text: string): Promise<unknown> {
  const value: unknown = JSON.parse(text);
  let started = performance.now();
  for (const key of duplicateKeys(text)) {
    if (key !== null) throw duplicate(key);
    if (performance.now() - started < STRETCH_MS) continue;
    await pause();
    started = performance.now();
  }
  return value;
}

/** A key that one object has twice; the rest of what JSON cannot be is a plain SyntaxError. */
export class DuplicateKeyError extends SyntaxError {
  override name = 'DuplicateKeyError';
}

function duplicate(key: string): DuplicateKeyError {
  return new DuplicateKeyError(`the key ${JSON.stringify(key.slice(0, 80))} occurs twice in one object`);
}

/** Keys that an object has twice, in text that is JSON; null every now and then, so that a caller can pause. */
function* duplicateKeys(text: string): Generator<string | null, void> {
  /** Keys of the objects that are open; null for arrays. */
  const open: (Set<string> | null)[] = [];
  const structure = /["{}[\]]/g;
  let strings = 0;
  for (let match = structure.exec(text); match; match = structure.exec(text)) {
    const [found] = match;
    if (found === '{') open.push(new Set());
    else if (found === '[') open.push(null);
    else if (found !== '"') open.pop();
    else {
      const end = endOfString(text, match.index);
      structure.lastIndex = end;
      const keys = open.at(-1);
      if (keys && isKey(text, end)) {
        const key = JSON.parse(text.slice(match.index, end)) as string;
        if (keys.has(key)) yield key;
        keys.add(key);
      }
      if (++strings % STRINGS_PER_LOOK === 0) yield null;
    }
  }
}

/** Behind the quote that ends the string which starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
}

/** Whether a colon follows, after white space. */
function isKey(text: string, end: number): boolean {
  const next = /[^ \t\n\r]/g;
  next.lastIndex = end;
  return next.exec(text)?.[0] === ':';
}
