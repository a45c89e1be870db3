/**
 * JSON as strangers may send it: a key that occurs twice in one object is refused. `JSON.parse` keeps the last one and other readers the
 * first, so two programs could find different things in the same bytes.
 */
/** How long a scan may hold the thread at a stretch. */
export const STRETCH_MS = 8;
/** Marks between two looks at the clock. */
const MARKS_PER_LOOK = 512;

/** What text may hold that is looked at before it is parsed, because parsing cannot pause. */
export interface JsonLimits {
  readonly depth: number;
  /** Of one object. */
  readonly keys: number;
}
const NO_LIMITS: JsonLimits = { depth: Infinity, keys: Infinity };

/** @throws SyntaxError for text that is not JSON, or that names a key twice in one object */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  for (const fault of faults(text, NO_LIMITS)) if (fault !== null) throw fault;
  return value;
}

/** Lets other work of this thread have its turn. */
export function pause(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done);
  });
}

/**
 * As `parseStrictJson`, giving way to other work every few milliseconds. Only text within the limits is parsed, so that the parsing, which
 * gives way to nothing, is short too.
 */
export async function parseStrictJsonInTurns(text: string, limits: JsonLimits): Promise<unknown> {
  let started = performance.now();
  for (const fault of faults(text, limits)) {
    if (fault !== null) throw fault;
    if (performance.now() - started < STRETCH_MS) continue;
    await pause();
    started = performance.now();
  }
  return JSON.parse(text);
}

/** A key that one object has twice; the rest of what JSON cannot be is a plain SyntaxError. */
export class DuplicateKeyError extends SyntaxError {
  override name = 'DuplicateKeyError';
}

/** Text that is nested deeper, or has larger objects, than the reader expects. */
export class JsonLimitError extends SyntaxError {
  override name = 'JsonLimitError';
}

/** What is wrong with text that may be JSON; null every now and then, so that a caller can pause. */
function* faults(text: string, { depth, keys: most }: JsonLimits): Generator<SyntaxError | null, void> {
  /** Keys of the objects that are open; null for arrays. */
  const open: (Set<string> | null)[] = [];
  const marks = /["{}[\],]/g;
  let count = 0;
  for (let match = marks.exec(text); match; match = marks.exec(text)) {
    const [found] = match;
    if (found === '{') open.push(new Set());
    else if (found === '[') open.push(null);
    else if (found === '"') {
      const end = endOfString(text, match.index);
      marks.lastIndex = end;
      const keys = open.at(-1);
      if (keys && isKey(text, end)) {
        const key = JSON.parse(text.slice(match.index, end)) as string;
        if (keys.has(key)) yield duplicate(key);
        if (keys.size >= most) yield new JsonLimitError(`one object has more than ${most} names`);
        keys.add(key);
      }
    } else if (found !== ',') open.pop();
    if (open.length > depth) yield new JsonLimitError(`it is nested deeper than ${depth}`);
    if (++count % MARKS_PER_LOOK === 0) yield null;
  }
}

function duplicate(key: string): DuplicateKeyError {
  return new DuplicateKeyError(`the key ${JSON.stringify(key.slice(0, 80))} occurs twice in one object`);
}

/** Behind the quote that ends the string which starts at `start`; the end of the text where none does. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** Whether a colon follows, after white space. */
function isKey(text: string, end: number): boolean {
  const next = /[^ \t\n\r]/g;
  next.lastIndex = end;
  return next.exec(text)?.[0] === ':';
}
