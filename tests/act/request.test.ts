/** What a request has to be, told without a policy. */
import { describe, expect, it } from 'vitest';
import { actAnswer, parseActRequest, type ActForm } from '../../tools/act/request.ts';
import { ROBOT_PROFILES } from '../../src/model/policy/robot-profiles.ts';
import { image, INSTRUCTION, numpy, numpyImage, vector } from './tiny-server.ts';

const parse = (body: unknown, form: ActForm) =>
  parseActRequest(new TextEncoder().encode(JSON.stringify(body)), form);
const formOf = (name: string, more: Partial<ActForm> = {}): ActForm => ({
  profile: ROBOT_PROFILES[name]!,
  unnormKeys: ['a', 'b'],
  unnormKey: 'a',
  ...more,
});
const [main, left, right] = [image(6, 4, 1), image(6, 4, 2), image(6, 4, 3)];
const ALOHA = { full_image: numpyImage(main), instruction: INSTRUCTION, state: Array(14).fill(0) };

describe('wrist images', () => {
  it('go to the camera they name, whatever their order', () => {
    const body = { right_wrist_image: numpyImage(right), ...ALOHA, left_wrist_image: numpyImage(left) };
    const { frames } = parse(body, formOf('aloha'));
    expect(frames.map(({ data }) => [...data])).toEqual([main, left, right].map(({ data }) => [...data]));
  });

  it('go by their order, as upstream’s, where their names say nothing', () => {
    const body = { ...ALOHA, wrist_b: numpyImage(right), wrist_a: numpyImage(left) };
    const { frames } = parse(body, formOf('aloha'));
    expect(frames.map(({ data }) => [...data])).toEqual([main, right, left].map(({ data }) => [...data]));
  });

  it('have to be as many as the policy takes', () => {
    expect(() => parse({ ...ALOHA, left_wrist_image: numpyImage(left) }, formOf('aloha'))).toThrow(
      /2 images beside "full_image" \(left_wrist, right_wrist\); the request has 1 keys/,
    );
  });

  it('are ignored by a policy of one image, as upstream ignores them', () => {
    const form = formOf('bridge', { profile: { ...ROBOT_PROFILES['bridge']!, state: null } });
    const body = { image: numpyImage(main), wrist_image: 7, instruction: INSTRUCTION };
    expect(parse(body, form)).toMatchObject({ protocol: 'openvla', state: null, unnormKey: 'a' });
    expect(parse(body, form).frames).toHaveLength(1);
  });
});

describe('unnorm_key', () => {
  const body = { ...ALOHA, left_wrist_image: numpyImage(left), right_wrist_image: numpyImage(right) };

  it('is the request’s, else the server’s', () => {
    expect(parse({ ...body, unnorm_key: 'b' }, formOf('aloha')).unnormKey).toBe('b');
    expect(parse({ ...body, unnorm_key: null }, formOf('aloha')).unnormKey).toBe('a');
  });

  it('has to be named where there are several and the server has none', () => {
    expect(() => parse(body, formOf('aloha', { unnormKey: null }))).toThrow(/names none of them/);
    expect(() => parse({ ...body, unnorm_key: 'toString' }, formOf('aloha'))).toThrow(
      /no statistics "toString"/,
    );
  });
});

const refuse = (full_image: unknown) => () =>
  parse(
    { ...ALOHA, full_image, left_wrist_image: numpyImage(left), right_wrist_image: numpyImage(right) },
    formOf('aloha'),
  );

describe('an image', () => {
  it.each([
    ['floats', numpy(new Uint8Array(4 * 6), '<f4', [1, 2, 3]), /is f4 of shape \[1, 2, 3\]/],
    ['channels first', numpy(new Uint8Array(3 * 4 * 6), '|u1', [3, 4, 6]), /is u1 of shape \[3, 4, 6\]/],
    [
      'four channels, which may be depth',
      numpy(new Uint8Array(4 * 6 * 4), '|u1', [4, 6, 4]),
      /uint8 \[height/,
    ],
    ['a batch', numpy(new Uint8Array(72), '|u1', [1, 4, 6, 3]), /uint8 \[height/],
    ['no pixels', numpy(new Uint8Array(0), '|u1', [0, 6, 3]), /sides of 1 to/],
    [
      'fewer bytes',
      numpy(new Uint8Array(71), '|u1', [4, 6, 3]),
      /71 bytes, and \|u1 of shape \[4, 6, 3\] takes 72/,
    ],
    ['what is not base64', { ...numpyImage(main), __numpy__: '*'.repeat(96) }, /holds 0 bytes/],
    ['objects', { ...numpyImage(main), dtype: '|O' }, /its dtype is "\|O"/],
    ['a record', { ...numpyImage(main), dtype: [['x', '<f4']] }, /its dtype is \[\["x"/],
    ['a shape that is not one', { ...numpyImage(main), shape: [4, -6, 3] }, /its shape is \[4,-6,3\]/],
    ['a list', [[[0, 0, 0]]], /a json_numpy array is expected/],
    ['null', null, /"full_image" is null/],
  ])('of %s is refused', (_, value, message) => {
    expect(refuse(value)).toThrow(message);
  });
});

const text = (body: string) => () => parseActRequest(new TextEncoder().encode(body), formOf('aloha'));

describe('the whole', () => {
  it.each([
    ['', /is not JSON/],
    ['[1]', /a JSON object is expected/],
    ['"error"', /a JSON object is expected/],
    ['{}', /neither "image" nor "full_image"/],
    ['{"image": 1, "full_image": 1}', /both "image" and "full_image"/],
    ['{"image": 1, "image": 2}', /occurs twice/],
    ['{"state": NaN}', /is not JSON/],
    ['{"encoded": "{}", "image": 1}', /other keys beside "encoded"/],
    ['{"encoded": {}}', /JSON in a string is expected/],
    ['{"encoded": "{\\"encoded\\": \\"{}\\"}"}', /neither "image" nor "full_image"/],
    [`{"full_image": ${'['.repeat(60_000)}`, /more than 50000 values/],
  ])('%# is refused', (body, message) => {
    expect(text(body.slice(0, 70_000))).toThrow(message);
  });

  it('is UTF-8', () => {
    expect(() => parseActRequest(Uint8Array.of(0x7b, 0xff, 0x7d), formOf('aloha'))).toThrow(/UTF-8/);
  });
});

it('the answer keeps every bit of the actions', () => {
  const actions = [
    [0.1, -1e-300],
    [Math.PI, 5],
  ];
  const answer = JSON.parse(actAnswer({ protocol: 'openvla-oft', encoded: false }, actions)) as unknown[];
  expect(answer.map(vector)).toEqual(actions);
});
