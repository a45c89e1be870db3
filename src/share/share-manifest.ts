/** What a share is: who taught what, on which policy, with what result. The page and the server check the same form. */
import * as v from 'valibot';
import { ModelError } from '../base/errors.ts';
import { DuplicateKeyError, parseStrictJson } from '../base/strict-json.ts';

export const SHARE_FORMAT_VERSION = 1;
/** Longest manifest the server takes, in bytes of JSON. */
export const MAX_MANIFEST_BYTES = 64 * 1024;
/** Longest link text (`#share=…`), in characters. */
export const MAX_LINK_CHARACTERS = 16 * 1024;
/** Most bytes of JSON a link may inflate to. */
const MAX_INFLATED_BYTES = 256 * 1024;
/** No file is larger: refuses absurd claims. */
const MAX_ADAPTER_BYTES = 2 ** 40;

// Control characters, lone surrogates, and the characters that turn the direction of the text around them.
const PLAIN = /^[^\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$/u;
const PLAIN_LINES = /^(?:[^\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\n)*$/u;

const text = (max: number) =>
  v.pipe(v.string(), v.maxLength(max), v.regex(PLAIN, 'no control characters, please'));
// Something to see: white space, marks on nothing and characters of no width do not make a name.
const VISIBLE = /[^\s\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;
const name = (max: number) => v.pipe(text(max), v.regex(VISIBLE, 'empty'));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'no SHA-256 in hex'));
const address = v.pipe(
  v.string(),
  v.maxLength(2048),
  v.check(isFetchable, 'no https: address (http: is for localhost only)'),
);

const lora = v.strictObject({
  r: positive,
  alpha: v.pipe(v.number(), v.finite(), v.minValue(0)),
  dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  targets: text(200),
});
const training = v.strictObject({
  demonstrations: v.strictObject({ name: text(200), episodes: count, steps: count }),
  steps: count,
  batchSize: positive,
  learningRate: v.pipe(v.number(), v.finite(), v.minValue(0)),
  lora: v.nullable(lora),
  seed: count,
  statistics: text(200),
  /** What the run went on from; without it, the policy itself. */
  startedFrom: v.optional(text(200)),
});
const successRate = v.pipe(
  v.strictObject({
    task: name(100),
    heldOut: v.boolean(),
    episodes: positive,
    before: v.nullable(count),
    after: v.nullable(count),
  }),
  v.check(
    ({ episodes, before, after }) => (before ?? 0) <= episodes && (after ?? 0) <= episodes,
    'more successes than episodes',
  ),
);
const manifestSchema = v.strictObject({
  formatVersion: v.literal(SHARE_FORMAT_VERSION),
  title: name(120),
  /** Who made it. */
  author: text(80),
  /** The one text that may have several lines. */
  note: v.pipe(v.string(), v.maxLength(2000), v.regex(PLAIN_LINES, 'no control characters, please')),
  createdAt: v.pipe(v.string(), v.maxLength(40), v.isoTimestamp()),
  /** `sha256` is of the package's manifest.json; `url` null: the policy that ships with the page. */
  policy: v.strictObject({ name: name(200), sha256, url: v.nullable(address) }),
  /** `url` null: on the server the share is on, by its hash. */
  adapter: v.nullable(
    v.strictObject({
      sha256,
      bytes: v.pipe(positive, v.maxValue(MAX_ADAPTER_BYTES)),
      url: v.nullable(address),
    }),
  ),
  scene: v.strictObject({
    view: v.picklist(['table', 'camera']),
    task: v.nullable(name(100)),
    seed: v.nullable(count),
    /** Who stands at the table; without it, its own gripper. */
    robot: v.optional(v.picklist(['gripper', 'so101'])),
    instruction: text(300),
    /** Actions of a chunk that are executed; null: all. */
    execute: v.nullable(v.pipe(positive, v.maxValue(64))),
    ensemble: v.boolean(),
    /** Share of the largest step that an action may take; without it, all of it. */
    speedLimit: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(1))),
  }),
  training: v.nullable(training),
  success: v.pipe(v.array(successRate), v.maxLength(40)),
});

/** Text in it is plain text: never to be read as HTML. */
export type ShareManifest = v.InferOutput<typeof manifestSchema>;

/**
 * Checks a manifest completely; unknown keys are refused.
 * @throws ModelError `bad-input` naming the place and what is wrong with it
 */
export function parseShareManifest(value: unknown): ShareManifest {
  const parsed = v.safeParse(manifestSchema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const place = v.getDotPath(issue);
  const where = place === null ? 'The description of the share' : `"${shortened(place, 80)}"`;
  throw new ModelError(
    'bad-input',
    `${where} is not as it should be: ${shortened(issue.message, 200)}.`,
    'Make the share again with the newest version of the page.',
  );
}

/** A manifest as text for a link: base64url of its deflated JSON, at most `MAX_LINK_CHARACTERS`. */
export async function encodeShare(manifest: ShareManifest): Promise<string> {
  const json = JSON.stringify(parseShareManifest(manifest));
  const deflated = new Blob([json]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  const bytes = new Uint8Array(await new Response(deflated).arrayBuffer());
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  const link = btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  if (link.length <= MAX_LINK_CHARACTERS) return link;
  throw new ModelError(
    'bad-input',
    `The share is ${link.length} characters as a link; ${MAX_LINK_CHARACTERS} fit.`,
    'Shorten the note.',
  );
}

/**
 * The manifest in a link. Stops inflating at 256 kB, so a small link cannot fill the memory.
 * @throws ModelError `bad-input` when the link is cut off, altered or too large
 */
export async function decodeShare(link: string): Promise<ShareManifest> {
  if (link.length > MAX_LINK_CHARACTERS) {
    throw damagedLink(`it has ${link.length} characters, ${MAX_LINK_CHARACTERS} is the most`);
  }
  if (!/^[\w-]+$/.test(link) || link.length % 4 === 1) throw damagedLink('it is cut off or altered');
  const binary = atob(link.replaceAll('-', '+').replaceAll('_', '/'));
  const json = await inflate(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
  let value: unknown;
  try {
    value = parseStrictJson(json);
  } catch (cause) {
    throw damagedLink(cause instanceof DuplicateKeyError ? cause.message : 'there is no JSON in it', cause);
  }
  return parseShareManifest(value);
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const reader = inflated.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let out = '';
  let total = 0;
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      total += chunk.value.byteLength;
      if (total > MAX_INFLATED_BYTES) break;
      out += decoder.decode(chunk.value, { stream: true });
    }
    if (total <= MAX_INFLATED_BYTES) return out + decoder.decode();
    await reader.cancel();
  } catch (cause) {
    throw damagedLink('it is cut off or altered', cause);
  }
  throw damagedLink(`it holds more than ${MAX_INFLATED_BYTES} bytes`);
}

function damagedLink(what: string, cause?: unknown): ModelError {
  return new ModelError(
    'bad-input',
    `This is not a link to a share: ${what}.`,
    'Copy the whole link again, from where it was shared.',
    { cause },
  );
}

/** https:, or http: to this machine; no user names in it. */
/** Whether an address may stand in a manifest: https, or http of this machine. */
export function isFetchable(value: string): boolean {
  if (!URL.canParse(value) || /\s/.test(value)) return false;
  const url = new URL(value);
  const local = ['localhost', '127.0.0.1'].includes(url.hostname);
  return (
    (url.protocol === 'https:' || (url.protocol === 'http:' && local)) &&
    url.username === '' &&
    url.password === ''
  );
}

/** Names that a stranger chose are shown in error messages: no longer than useful, and printable. */
function shortened(value: string, max: number): string {
  const printable = value.replace(/[^\P{C}]/gu, '\ufffd');
  return printable.length > max ? `${printable.slice(0, max)}…` : printable;
}
