import { describe, expect, it } from 'vitest';
import { createServer } from '../../server/app.ts';
import { optionsFromEnvironment } from '../../server/options.ts';
import { ModelError } from '../../src/base/errors.ts';
import { fakeDist, startServer, temporaryFolder } from './start-server.ts';

describe('settings', () => {
  it('have defaults', () => {
    expect(optionsFromEnvironment({})).toMatchObject({ port: 5173, host: '127.0.0.1', dist: 'dist' });
  });

  it.each([
    [{ PORT: 'abc' }, 'PORT is "abc"'],
    [{ MAX_ADAPTER_MB: '-1' }, 'MAX_ADAPTER_MB is "-1"'],
    [{ STORAGE: 's3', STORAGE_OPTIONS: '[1' }, 'STORAGE_OPTIONS has to be a JSON object'],
  ])('%j is refused by name', (env, message) => {
    expect(() => optionsFromEnvironment(env)).toThrow(ModelError);
    expect(() => optionsFromEnvironment(env)).toThrow(message);
  });

  it('a secret in options that cannot be read is not repeated', () => {
    const env = { STORAGE: 's3', STORAGE_OPTIONS: '{"secretAccessKey": "hunter2"' };
    expect(() => optionsFromEnvironment(env)).toThrow(/^(?!.*hunter2)/);
  });
});

describe('an address that cannot be had', () => {
  it.each([
    ['is taken', null],
    ['is no port', 70_000],
  ])('is told when it %s, with what to do', async (_, port) => {
    const first = await startServer();
    const folder = temporaryFolder();
    const failing = createServer({
      port: port ?? Number(new URL(first.url).port),
      dist: fakeDist(folder),
      dataFolder: folder,
    });
    await expect(failing).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringMatching(port === null ? /is taken/ : /cannot listen on port 70000/) as string,
      hint: expect.stringContaining('PORT=8080') as string,
    });
  });
});
