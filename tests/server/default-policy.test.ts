import { cpSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultPolicy } from '../../tools/build/default-policy.ts';
import { temporaryFolder } from './start-server.ts';

const TINY = 'tests/packages/tiny';

it('the policy of a build is the shipped one, or a package that is whole', () => {
  expect(defaultPolicy().name).toBe('Practice table policy');
  expect(defaultPolicy(TINY)).toMatchObject({
    folder: TINY,
    version: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
  });
  const folder = temporaryFolder();
  expect(() => defaultPolicy(folder)).toThrow('has no manifest.json');
  cpSync(TINY, folder, { recursive: true });
  truncateSync(join(folder, 'shard-0000.bin'), 100);
  expect(() => defaultPolicy(folder)).toThrow('has 100 bytes; the manifest says');
  rmSync(join(folder, 'tokenizer.json'));
  expect(() => defaultPolicy(folder)).toThrow('tokenizer.json is missing');
});
