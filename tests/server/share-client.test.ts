/** The page's client against a real server. In Node tus-js-client takes Buffers, in the page Blobs; the mock passes one as the other. */
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import type * as Tus from 'tus-js-client';
import { describe, expect, it, vi } from 'vitest';
import {
  adapterAddress,
  createShare,
  deleteShare,
  fetchShare,
  shareServer,
  uploadAdapter,
} from '../../src/share/share-client.ts';
import { refusal, refusalCode, refusedWith } from '../weights/refused.ts';
import { sampleAdapter, sampleManifest } from './samples.ts';
import { sha256Of, startServer } from './start-server.ts';

/** A Blob that also is a Buffer for tus-js-client. */
class SampleBlob extends Blob {
  readonly buffer: Buffer;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    super([bytes]);
    this.buffer = Buffer.from(bytes);
  }
}

vi.mock('tus-js-client', async (original) => {
  const tus = await original<typeof Tus>();
  class Upload extends tus.Upload {
    constructor(blob: SampleBlob, options: Tus.UploadOptions) {
      super(blob.buffer, options);
    }
  }
  return { ...tus, Upload };
});

const { url: server } = await startServer();

describe('the client', () => {
  it('uploads an adapter, shares it, reads it back and deletes it', async () => {
    const { bytes, sha256 } = sampleAdapter(1, 20_000);
    const progress: number[] = [];
    const onProgress = (sent: number, total: number) => {
      expect(total).toBe(bytes.length);
      progress.push(sent);
    };
    await uploadAdapter(new SampleBlob(bytes), sha256, { server, onProgress });
    expect(progress.at(-1)).toBe(bytes.length);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));

    const manifest = sampleManifest({ bytes, sha256 });
    const { id, token, url } = await createShare(manifest, server);
    expect(url).toBe(`/s/${id}`);
    expect(await fetchShare(id, server)).toEqual(manifest);
    const stored = await (await fetch(adapterAddress(sha256, server))).arrayBuffer();
    expect(sha256Of(new Uint8Array(stored))).toBe(sha256);

    expect((await refusal(() => deleteShare(id, 'a'.repeat(43), server))).message).toContain('another');
    await deleteShare(id, token, server);
    expect(await refusedWith('download-failed', () => fetchShare(id, server))).toContain('no such share');
  });

  it('sends nothing when the adapter is there already', async () => {
    const { bytes, sha256 } = sampleAdapter(2);
    await uploadAdapter(new SampleBlob(bytes), sha256, { server });
    // Not the bytes of that hash, which therefore cannot have been sent.
    await expect(uploadAdapter(new SampleBlob(new Uint8Array(3)), sha256, { server })).resolves.toBe(
      undefined,
    );
  });

  it('says why an adapter was refused', async () => {
    const { bytes, sha256 } = sampleAdapter(3);
    const other = sampleAdapter(4).sha256;
    expect(await refusalCode(() => uploadAdapter(new SampleBlob(bytes), other, { server }))).toBe(
      'hash-mismatch',
    );
    const pickle = new Uint8Array([0x80, 4, ...Array<number>(30).fill(0x2e)]);
    const upload = () => uploadAdapter(new SampleBlob(pickle), sha256Of(pickle), { server });
    expect(await refusedWith('bad-file', upload)).toContain('pickle');
    expect(await refusalCode(() => createShare(sampleManifest({ bytes, sha256 }), server))).toBe('bad-input');
  });

  it('can be cancelled, before and while it uploads', async () => {
    const { bytes, sha256 } = sampleAdapter(5, 90_000);
    const before = { server, signal: AbortSignal.abort() };
    expect(await refusalCode(() => uploadAdapter(new SampleBlob(bytes), sha256, before))).toBe('cancelled');
    const controller = new AbortController();
    const options = { server, signal: controller.signal, onProgress: () => controller.abort() };
    expect(await refusalCode(() => uploadAdapter(new SampleBlob(bytes), sha256, options))).toBe('cancelled');
  });

  it('knows a share server from a static host and from nothing', async () => {
    expect(await shareServer(server)).toBe('here');
    // A static host answers with a page, or 404.
    expect(await shareServer(`${server}/s`)).toBe('none');
    expect(await shareServer('http://127.0.0.1:1')).toBe('unreachable');
    expect((await refusal(() => fetchShare('x', 'http://127.0.0.1:1'))).message).toContain(
      'cannot be reached',
    );
  });

  it('goes on by itself after a lost connection', async () => {
    const { bytes, sha256 } = sampleAdapter(6, 90_000);
    const line = await cuttableLine(server);
    let cuts = 0;
    const onProgress = (sent: number) => {
      if (sent > 0 && cuts++ === 0) line.cut();
    };
    await uploadAdapter(new SampleBlob(bytes), sha256, { server: line.url, onProgress });
    line.close();
    expect(cuts).toBeGreaterThan(0);
    expect((await fetch(adapterAddress(sha256, server), { method: 'HEAD' })).status).toBe(200);
  });
});

/** A way to the server whose connections can be cut. */
async function cuttableLine(target: string): Promise<{ url: string; cut: () => void; close: () => void }> {
  const { port, hostname } = new URL(target);
  const open = new Set<Socket>();
  const line = createTcpServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((done) => {
    line.listen(0, '127.0.0.1', done);
  });
  const cut = () => open.forEach((socket) => socket.destroy());
  const close = () => {
    line.close();
    cut();
  };
  return { url: `http://127.0.0.1:${(line.address() as AddressInfo).port}`, cut, close };
}
