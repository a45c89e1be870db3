/**
 * What `POST /act` is sent, in both forms of the field (vla-scripts/deploy.py of openvla and of openvla-oft), and what it answers.
 *
 * openvla:      `{image, instruction, unnorm_key?}` → one action
 * openvla-oft:  `{full_image, every key with "wrist" in it, state, instruction}` → one action per step of the chunk
 *
 * Keys that a form does not know are ignored, as upstream ignores them. `{"encoded": "<json>"}` is the same as JSON in a string, and
 * answered so.
 */
import { ModelError } from '../../src/base/errors.ts';
import type { ImageBytes } from '../../src/model/policy/image-processor.ts';
import type { RobotProfile } from '../../src/model/policy/robot-profiles.ts';
import { parseStrictJson } from '../../src/base/strict-json.ts';
import { decodeArray, encodeVector, isNumpyArray, shown, valuesOf } from './json-numpy.ts';

/** What a request has to fit. */
export interface ActForm {
  readonly profile: Pick<RobotProfile, 'images' | 'state'>;
  readonly unnormKeys: readonly string[];
  /** Used where a request names none; null where one has to be named. */
  readonly unnormKey: string | null;
}

export interface ActRequest {
  readonly protocol: 'openvla' | 'openvla-oft';
  /** Whether it came, and is to be answered, as JSON in a string. */
  readonly encoded: boolean;
  readonly frames: readonly ImageBytes[];
  readonly instruction: string;
  readonly state: readonly number[] | null;
  readonly unnormKey: string;
  /** Of a diffusion head's noise; null where any will do. Upstream has no such field. */
  readonly seed: number | null;
}

type Fields = Readonly<Record<string, unknown>>;

/** More marks than this in JSON are lists of numbers where arrays are expected; a request has some hundred. */
const MAX_MARKS = 50_000;
const MAX_SIDE = 8192;
const MAX_STATE = 1000;
const MAX_INSTRUCTION = 10_000;

/** @throws ModelError `bad-input` or `missing-statistics`, naming the field, what was found and what is expected */
export function parseActRequest(body: Uint8Array, form: ActForm): ActRequest {
  const outer = fieldsOf(textOf(body), 'The request');
  const encoded = 'encoded' in outer;
  const fields = encoded ? innerOf(outer) : outer;
  const protocol = protocolOf(fields);
  const { instruction } = fields;
  if (typeof instruction !== 'string' || instruction.trim() === '' || instruction.length > MAX_INSTRUCTION)
    throw bad(
      `"instruction" is ${shown(instruction)}; text of 1 to ${MAX_INSTRUCTION} characters is expected.`,
      'Say what the robot is to do.',
    );
  return {
    protocol,
    encoded,
    frames: framesOf(fields, protocol === 'openvla' ? 'image' : 'full_image', form.profile.images),
    instruction,
    state: form.profile.state && stateOf(fields['state'], form.profile.state.length),
    unnormKey: unnormKeyOf(fields['unnorm_key'], form),
    seed: seedOf(fields['seed']),
  };
}

/** The answer's JSON. @param actions [chunk][dim] in the robot's units */
export function actAnswer(
  { protocol, encoded }: Pick<ActRequest, 'protocol' | 'encoded'>,
  actions: readonly (readonly number[])[],
): string {
  const arrays = actions.map(encodeVector);
  const text = JSON.stringify(protocol === 'openvla' ? arrays[0] : arrays);
  return encoded ? JSON.stringify(text) : text;
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw bad('The request is not text in UTF-8.', 'Send JSON.');
  }
}

function fieldsOf(text: string, what: string): Fields {
  if (marksIn(text) > MAX_MARKS)
    throw bad(
      `${what} has more than ${MAX_MARKS} values.`,
      'Send images as json_numpy arrays, not as lists of numbers.',
    );
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : String(error);
    throw bad(`${what} is not JSON: ${reason}.`, 'Send a JSON object. NaN and Infinity are not JSON.');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw bad(
    `${what} is ${shown(value)}; a JSON object is expected.`,
    'Send {"full_image": …, "instruction": …}.',
  );
}

/** Commas and opening brackets: JSON.parse makes at most so many values, and each takes memory. */
function marksIn(text: string): number {
  let marks = 0;
  for (const mark of [',', '[', '{']) {
    for (let at = text.indexOf(mark); at >= 0 && marks <= MAX_MARKS; at = text.indexOf(mark, at + 1)) marks++;
  }
  return marks;
}

function innerOf(outer: Fields): Fields {
  const { encoded: text } = outer;
  if (Object.keys(outer).length > 1)
    throw bad('There are other keys beside "encoded".', 'Put them into the encoded JSON.');
  if (typeof text !== 'string')
    throw bad(
      `"encoded" is ${shown(text)}; JSON in a string is expected.`,
      'Send json.dumps(payload) there.',
    );
  return fieldsOf(text, 'What "encoded" holds');
}

function protocolOf(fields: Fields): ActRequest['protocol'] {
  const [openvla, oft] = ['image' in fields, 'full_image' in fields];
  if (openvla !== oft) return openvla ? 'openvla' : 'openvla-oft';
  throw bad(
    openvla
      ? 'There are both "image" and "full_image".'
      : `There is neither "image" nor "full_image"; the keys are ${shown(Object.keys(fields))}.`,
    'Send "image" for one action (openvla), or "full_image" for a chunk of actions (openvla-oft).',
  );
}

/** The main camera's image and the wrist cameras', in the order of the policy's slots. */
function framesOf(fields: Fields, main: string, slots: RobotProfile['images']): ImageBytes[] {
  const wrists = Object.keys(fields).filter((key) => key.includes('wrist'));
  const wanted = slots.slice(1).map(({ name }) => name);
  // A policy of one image ignores the others, as upstream does.
  if (wanted.length > 0 && wrists.length !== wanted.length)
    throw bad(
      `The policy takes ${wanted.length} images beside "${main}" (${wanted.join(', ')}); the request has ` +
        `${wrists.length} keys with "wrist" in them${wrists.length > 0 ? ` (${shown(wrists)})` : ''}.`,
      `Send ${wanted.map((name) => `"${keyFor(name)}"`).join(', ')}.`,
    );
  const named = wanted.map((name) => [keyFor(name), name].find((key) => wrists.includes(key)));
  // Upstream goes by the order of the keys; where they say which camera they are, that counts.
  const keys = named.every((key) => key !== undefined) ? named : wrists;
  return [main, ...(wanted.length > 0 ? keys : [])].map((key) => imageOf(fields[key], key));
}

/** The key under which clients send a slot's image: `left_wrist` → `left_wrist_image`. */
export function keyFor(slot: string): string {
  return slot.includes('wrist') ? `${slot}_image` : `wrist_${slot}_image`;
}

function imageOf(value: unknown, key: string): ImageBytes {
  const hint = 'Send a numpy array of uint8 [height, width, 3], RGB, encoded with json_numpy.';
  if (!isNumpyArray(value)) throw bad(`"${key}" is ${shown(value)}; a json_numpy array is expected.`, hint);
  const { dtype, shape, bytes } = decodeArray(value, key);
  const [height = 0, width = 0, channels] = shape;
  const fits = Math.min(width, height) > 0 && Math.max(width, height) <= MAX_SIDE;
  if (dtype !== 'u1' || shape.length !== 3 || channels !== 3 || !fits)
    throw bad(
      `"${key}" is ${dtype} of shape [${shape.join(', ')}]; uint8 [height, width, 3] is expected, with sides of 1 to ${MAX_SIDE}.`,
      hint,
    );
  return { width, height, data: bytes };
}

function stateOf(value: unknown, size: number): number[] {
  const hint = `Send the robot's state: ${size} numbers, as a list or a json_numpy array.`;
  const numbers = numbersOf(value);
  if (numbers === null) throw bad(`"state" is ${shown(value)}; ${size} numbers are expected.`, hint);
  if (numbers.length !== size || !numbers.every(Number.isFinite))
    throw bad(
      `"state" has ${numbers.length} values, ${numbers.filter(Number.isFinite).length} of them finite; the policy takes ${size}.`,
      hint,
    );
  return numbers;
}

/** Null for what is not a vector of numbers. */
function numbersOf(value: unknown): number[] | null {
  if (isNumpyArray(value)) {
    const array = decodeArray(value, 'state');
    return array.shape.length === 1 && array.shape[0]! <= MAX_STATE ? valuesOf(array) : null;
  }
  const plain =
    Array.isArray(value) &&
    value.length <= MAX_STATE &&
    value.every((item): item is number => typeof item === 'number');
  return plain ? value : null;
}

function unnormKeyOf(value: unknown, { unnormKeys, unnormKey }: ActForm): string {
  const hint = `Send "unnorm_key": one of ${unnormKeys.join(', ')}.`;
  if (value === undefined || value === null) {
    if (unnormKey !== null) return unnormKey;
    throw new ModelError(
      'missing-statistics',
      `The policy has statistics of ${unnormKeys.length} datasets and the request names none of them.`,
      hint,
    );
  }
  if (typeof value === 'string' && unnormKeys.includes(value)) return value;
  throw new ModelError('missing-statistics', `The policy has no statistics ${shown(value)}.`, hint);
}

function seedOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32)
    return value as number;
  throw bad(`"seed" is ${shown(value)}; a whole number from 0 to 2³² − 1 is expected.`, 'Leave it out.');
}

function bad(message: string, hint: string): ModelError {
  return new ModelError('bad-input', message, hint);
}
