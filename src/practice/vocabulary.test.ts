import { expect, test } from 'vitest';
import { canonicalInstruction, goalOf, TRAINED_TASKS } from './tasks.ts';
import { learntWords, nearestInstruction, understand, unknownWords } from './vocabulary.ts';

const THERE = ['red block', 'blue block', 'green block', 'plate', 'bowl'];

test('words are those of training: what is held out for teaching is not among them', () => {
  for (const word of ['lift', 'red', 'block', 'bowl', 'mug', 'cylinder', 'before', 'left'])
    expect(learntWords()).toContain(word);
  for (const word of ['can', 'purple', 'behind', 'banana']) expect(learntWords()).not.toContain(word);
});

test('unknown words are named once each, as they were typed', () => {
  expect(unknownWords('Lift the Banana, lift the banana!')).toEqual(['Banana']);
  expect(unknownWords('lift the red block')).toEqual([]);
  expect(unknownWords('LIFT, the red BLOCK?!')).toEqual([]);
  expect(unknownWords('  ')).toEqual([]);
  expect(unknownWords('lift the can')).toEqual(['can']);
});

test.each([
  ['hebe den roten Würfel', ['hebe', 'den', 'roten', 'Würfel']],
  ['levanta el bloque rojo', ['levanta', 'el', 'bloque', 'rojo']],
  ['拿起红色方块', ['拿起红色方块']],
  ['ارفع المكعب', ['ارفع', 'المكعب']],
  ['🍌', ['🍌']],
])('other languages and symbols likewise: %s', (text, words) => {
  expect(understand(text, THERE)).toMatchObject({ kind: 'unknown-words', words });
  expect(goalOf((understand(text, THERE) as { nearest: string }).nearest)).not.toBeNull();
});

test.each([
  ['lift the banana', 'lift the red block'],
  ['banana', 'lift the red block'],
  ['grab the blue cube', 'lift the blue block'],
  ['pick up the gren bloc', 'pick up the green block'],
  ['put the red banana in the bowl', 'put the red block in the bowl'],
  ['throw the blue block into a dish', 'place the blue block onto the plate'],
  ['push the green block', 'push the green block to the left'],
  ['lift the yellow block', 'lift the red block'],
  ['lift the can', 'lift the red block'],
  ['move to the gren block', 'move to the green block'],
  ['move the blue block to the left', 'push the blue block to the left'],
])('the instruction nearest to “%s” is “%s”', (text, nearest) => {
  expect(nearestInstruction(text, THERE)).toBe(nearest);
});

test('what is suggested can be carried out with what lies there, and was trained', () => {
  const nearest = nearestInstruction('put the red block on the plate', ['green block', 'bowl', 'can']);
  expect(nearest).toMatch(/green block/);
  expect(nearest).not.toMatch(/plate|red|can/);
  expect(TRAINED_TASKS).toContain(goalOf(nearest)?.task);
});

test('what lies elsewhere is named, and known words in a new order are told from unknown ones', () => {
  expect(understand('Lift the red block.', THERE)).toEqual({ kind: 'known' });
  expect(understand('', THERE)).toEqual({ kind: 'known' });
  expect(understand('lift the yellow block', THERE)).toMatchObject({
    kind: 'not-there',
    objects: ['yellow block'],
  });
  expect(understand('put the mug near the tin', THERE)).toMatchObject({
    kind: 'not-there',
    objects: ['tin', 'mug'],
  });
  expect(understand('push the red block', THERE)).toMatchObject({
    kind: 'unknown-instruction',
    nearest: 'push the red block to the left',
  });
});

test('case and punctuation do not matter to what is asked, and one’s own words stay as they are', () => {
  expect(canonicalInstruction(' Lift, the RED block!! ')).toBe('lift the red block');
  expect(goalOf('“Put the red block on the plate…”')?.task.name).toBe('plate');
  expect(canonicalInstruction(' Wave at the audience. ')).toBe('Wave at the audience.');
});
