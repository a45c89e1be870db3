import { deflateRawSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/base/errors.ts';
import { decodeShare, encodeShare, parseShareManifest } from '../../src/share/share-manifest.ts';
import { refusedWith } from '../weights/refused.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { fuzzRuns } from '../setup/fuzz.ts';

const manifest = sampleManifest(sampleAdapter(1));

/** The sample with one value replaced; `path` is dotted. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(manifest) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  let at = copy;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[keys.at(-1)!] = value;
  return copy;
}

/** What a refusal says; '' for a manifest. Other exceptions are not caught. */
function messageOf(value: unknown): string {
  try {
    parseShareManifest(value);
    return '';
  } catch (error) {
    if (error instanceof ModelError) return error.message;
    throw error;
  }
}

describe('a manifest', () => {
  it('is read as it was written', () => {
    expect(parseShareManifest(JSON.parse(JSON.stringify(manifest)))).toEqual(manifest);
  });

  it.each([
    ['title', '日本語 — 100 % 🤖'],
    ['note', 'one\ntwo'],
    ['adapter', null],
    ['training', null],
    ['training.lora', null],
    ['policy.url', 'https://host.example/models/manifest.json?v=1'],
    ['policy.url', 'http://localhost:8000/manifest.json'],
    ['adapter.url', 'http://127.0.0.1/a'],
    ['scene.execute', null],
    ['scene.speedLimit', 0.35],
    ['scene.robot', 'so101'],
    ['training.startedFrom', 'Waves (shared) at step 12'],
    ['success', []],
  ])('may have %s %j', (path, value) => {
    expect(parseShareManifest(changed(path, value))).toEqual(changed(path, value));
  });

  it.each([
    ['formatVersion', 2],
    ['scene.speedLimit', 0],
    ['scene.speedLimit', 2],
    ['training.startedFrom', 'a'.repeat(201)],
    ['title', ''],
    ['title', '  '],
    ['title', '\u200b'],
    ['title', ' \u2060\ufeff\u00ad\u3164 '],
    ['title', '\u0301\u180e'],
    ['title', '\u2800\ufe0f'],
    ['policy.name', '\u200d\u200c'],
    ['title', 'a'.repeat(121)],
    ['title', 'two\nlines'],
    ['title', 'bell \u0007'],
    ['title', 'turned \u202e around'],
    ['title', 'half a \ud83e robot'],
    ['title', 5],
    ['author', 'a'.repeat(81)],
    ['note', 'tab\tor\r'],
    ['note', 'a'.repeat(2001)],
    ['createdAt', 'yesterday'],
    ['policy.sha256', 'A'.repeat(64)],
    ['policy.url', 'http://host.example/'],
    ['policy.url', 'javascript:alert(1)'],
    ['policy.url', 'data:text/html,x'],
    ['policy.url', '/models/mine/manifest.json'],
    ['policy.url', 'https://user:secret@host.example/'],
    ['policy.url', `https://host.example/${'a'.repeat(2048)}`],
    ['adapter.bytes', 0],
    ['adapter.bytes', 1.5],
    ['adapter.bytes', 2 ** 50],
    ['adapter.extra', 1],
    ['scene.view', 'floor'],
    ['scene.seed', -1],
    ['scene.robot', 'franka'],
    ['scene.execute', 65],
    ['scene.instruction', 'a'.repeat(301)],
    ['training.batchSize', '8'],
    ['training.learningRate', Infinity],
    ['training.lora.dropout', 1.1],
    ['success.0.before', 26],
    ['success.0.after', 26],
    ['success.0.episodes', 0],
    ['success', Array.from({ length: 41 }, () => manifest.success[0])],
    ['token', 'x'],
    ['toString', 'x'],
  ])('may not have %s %j', (path, value) => {
    expect(() => parseShareManifest(changed(path, value))).toThrow(ModelError);
  });

  it('of any JSON is refused by a ModelError, whose message is short and printable', () => {
    const strange = fc.oneof(fc.jsonValue(), fc.dictionary(fc.string({ maxLength: 500 }), fc.jsonValue()));
    fc.assert(
      fc.property(strange, fc.string({ unit: 'binary', maxLength: 1000 }), (value, key) => {
        for (const one of [value, { ...manifest, [key || 'x']: value }])
          expect(messageOf(one)).toMatch(/^\P{C}{0,400}$/u);
      }),
      { numRuns: fuzzRuns(300), seed: 1 },
    );
  });
});

describe('a link', () => {
  it('holds the whole manifest', async () => {
    const link = await encodeShare(manifest);
    expect(link).toMatch(/^[\w-]+$/);
    expect(link.length).toBeLessThan(1200);
    expect(await decodeShare(link)).toEqual(manifest);
  });

  it('holds any text that a manifest may have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 300 }), async (note) => {
        const one = { ...manifest, note: note.replace(/[\p{Cc}\u200e\u200f\u2028-\u202e]/gu, '') };
        expect(await decodeShare(await encodeShare(one))).toEqual(one);
      }),
      { numRuns: fuzzRuns(50), seed: 2 },
    );
  });

  it('that is cut off, altered or something else is refused', async () => {
    const link = await encodeShare(manifest);
    for (const cut of [8, 9, 50, link.length - 1]) {
      expect(await refusedWith('bad-input', () => decodeShare(link.slice(0, -cut)))).toContain('link');
    }
    for (const other of ['', 'hello', '%3Cscript%3E', '====', base64url(deflateRawSync('no json'))])
      await refusedWith('bad-input', () => decodeShare(other));
    await refusedWith('bad-input', () => decodeShare(base64url(deflateRawSync('{"title":"x"}'))));
  });

  it('that would fill the memory is refused', async () => {
    const bomb = base64url(deflateRawSync(Buffer.alloc(10 * 2 ** 20, '[')));
    expect(bomb.length).toBeLessThan(16 * 1024);
    expect(await refusedWith('bad-input', () => decodeShare(bomb))).toContain('holds more than');
    expect(await refusedWith('bad-input', () => decodeShare('a'.repeat(16 * 1024 + 1)))).toContain('most');
  });
});

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url');
}

it('a link whose JSON names a key twice is refused', async () => {
  const json = JSON.stringify(manifest).replace('{', '{"title":"Another",');
  const link = deflateRawSync(json).toString('base64url');
  expect(await refusedWith('bad-input', () => decodeShare(link))).toContain('"title" occurs twice');
});
