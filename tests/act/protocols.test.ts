/** Both forms of the field: what they answer is the direct prediction. */
import { describe, expect, it } from 'vitest';
import {
  FRAMES,
  INSTRUCTION,
  numpy,
  OFT,
  OPENVLA,
  post,
  serveTiny,
  STATE,
  tiny,
  vector,
} from './tiny-server.ts';

const server = await serveTiny();
const direct = await tiny.act({ frames: FRAMES, instruction: INSTRUCTION, state: STATE });

const actionsOf = async (answer: Response): Promise<unknown[]> => {
  expect(answer.status).toBe(200);
  return (await answer.json()) as unknown[];
};

describe('POST /act', () => {
  it('answers openvla-oft with one action per step of the chunk', async () => {
    const actions = (await actionsOf(await post(server, OFT))).map(vector);
    expect(actions).toEqual(direct);
    expect([actions.length, actions[0]!.length]).toEqual([8, 7]);
  });

  it('answers openvla with one action', async () => {
    expect(vector(await (await post(server, OPENVLA)).json())).toEqual(direct[0]);
    expect(vector(await (await post(server, { ...OPENVLA, unnorm_key: null })).json())).toEqual(direct[0]);
  });

  it('answers JSON in a string with JSON in a string', async () => {
    for (const [body, wanted] of [
      [OFT, direct],
      [OPENVLA, direct[0]],
    ] as const) {
      const answer = await post(server, { encoded: JSON.stringify(body) });
      const text = (await answer.json()) as string;
      expect(typeof text).toBe('string');
      const value = JSON.parse(text) as unknown;
      expect(Array.isArray(value) ? value.map(vector) : vector(value)).toEqual(wanted);
    }
  });

  it('takes a state as a list, as float32, and in the other byte order', async () => {
    const swapped = new DataView(new ArrayBuffer(64));
    for (const [i, value] of STATE.entries()) swapped.setFloat64(8 * i, value, false);
    for (const state of [STATE, numpy(new Uint8Array(swapped.buffer), '>f8', [8])])
      expect((await actionsOf(await post(server, { ...OFT, state }))).map(vector)).toEqual(direct);
    const single = numpy(new Uint8Array(Float32Array.from(STATE).buffer), '<f4', [8]);
    const rounded = (await actionsOf(await post(server, { ...OFT, state: single }))).map(vector);
    for (const [step, action] of rounded.entries())
      for (const [i, value] of action.entries()) expect(value).toBeCloseTo(direct[step]![i]!, 5);
  });

  it('tells the images apart', async () => {
    const swapped = { ...OFT, full_image: OFT.wrist_image, wrist_image: OFT.full_image };
    const actions = (await actionsOf(await post(server, swapped))).map(vector);
    expect(actions).not.toEqual(direct);
  });

  it('takes any key with "wrist" in it', async () => {
    const { wrist_image: wrist, ...rest } = OFT;
    const actions = await actionsOf(await post(server, { ...rest, camera_on_wrist_2: wrist }));
    expect(actions.map(vector)).toEqual(direct);
  });
});

it('GET / says what is served', async () => {
  const answer = await fetch(server.url);
  expect(await answer.json()).toMatchObject({
    head: 'l1',
    chunkSize: 8,
    unnormKeys: ['libero_tiny_no_noops'],
    unnormKey: 'libero_tiny_no_noops',
    cameras: [{ keys: ['full_image', 'image'] }, { keys: ['wrist_image'] }],
    protocols: { openvla: { answer: [7] }, 'openvla-oft': { answer: [8, 7] } },
  });
});
