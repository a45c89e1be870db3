/** SIGTERM while clients read, upload and wait. */
import { expect, it } from 'vitest';
import { sampleAdapter } from './samples.ts';
import { spawnServer } from './spawn-server.ts';
import { sha256Of } from './start-server.ts';
import { beginUpload, sendBytes, upload } from './tus.ts';

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
const adapter = sampleAdapter(1, 250_000);

it('an answer that is being read is read to its end, however slowly', async () => {
  const server = await spawnServer({ LINGER_SECONDS: '6' });
  await upload(server.url, adapter.bytes, adapter.sha256);
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => fetch(`${server.url}/api/adapters/${adapter.sha256}`)),
  );
  const read = async (answer: Response, seconds: number) => {
    const reader = answer.body!.getReader();
    const bytes = new Uint8Array(adapter.bytes.length);
    let at = 0;
    const started = Date.now();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      bytes.set(next.value, at);
      at += next.value.length;
      await wait((at / bytes.length) * seconds * 1000 - (Date.now() - started));
    }
    return sha256Of(bytes);
  };
  // One takes longer than a server that counts seconds would wait.
  const reading = answers.map((answer, at) => read(answer, at === 0 ? 8 : at));
  await wait(200);
  server.process.kill('SIGTERM');
  expect(await Promise.all(reading)).toEqual(answers.map(() => adapter.sha256));
  expect(await server.ended).toBe(0);
}, 60_000);

it('small answers asked for until the end arrive whole or are not begun', async () => {
  const server = await spawnServer({ LINGER_SECONDS: '6' });
  await upload(server.url, adapter.bytes, adapter.sha256);
  let whole = 0;
  const errors: string[] = [];
  const ask = async () => {
    for (;;) {
      let answer: Response;
      try {
        answer = await fetch(`${server.url}/api/adapters/${adapter.sha256}`, {
          headers: { Range: 'bytes=0-999999' },
        });
      } catch {
        // Refused: nothing was begun.
        return;
      }
      try {
        expect((await answer.arrayBuffer()).byteLength).toBe(1_000_000);
        whole++;
      } catch (error) {
        errors.push(String(error));
      }
    }
  };
  const asking = Promise.all(Array.from({ length: 16 }, ask));
  await wait(1000);
  server.process.kill('SIGTERM');
  expect(await server.ended).toBe(0);
  await asking;
  expect(errors).toEqual([]);
  expect(whole).toBeGreaterThan(20);
}, 60_000);

it('an upload that does not end does not keep the server, nor does an idle connection', async () => {
  const server = await spawnServer({ LINGER_SECONDS: '6' });
  const { address } = await beginUpload(server.url, adapter.sha256, adapter.bytes.length);
  const endless = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1000)) });
  const sending = sendBytes(address, 0, endless).catch(() => null);
  await wait(300);
  server.process.kill('SIGTERM');
  expect(await server.ended).toBe(0);
  await sending;
}, 60_000);
