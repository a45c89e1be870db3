/** Other hosts than the share server: one with files only, and a line to the server that breaks. */
import { readFile } from 'node:fs/promises';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve } from 'node:path';

export interface Host {
  /** Such as `http://localhost:41234`. */
  readonly url: string;
  close(): void;
}

async function listen(listener: RequestListener, name: string): Promise<{ url: string; server: Server }> {
  const server = createServer(listener);
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  return { url: `http://${name}:${(server.address() as AddressInfo).port}`, server };
}

function closing(server: Server): () => void {
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** Files of a folder and nothing else: no API, no headers of its own. */
export async function hostFolder(folder: string): Promise<Host> {
  const root = resolve(folder);
  const { url, server } = await listen((asked, answer) => {
    const { pathname } = new URL(asked.url ?? '/', 'http://localhost');
    const path = join(root, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    readFile(path).then(
      (bytes) => answer.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? '' }).end(bytes),
      () => answer.writeHead(404).end('There is no such file.'),
    );
  }, 'localhost');
  return { url, close: closing(server) };
}

/** A file that any page may fetch. `requests` counts who has asked for anything. */
export async function hostFile(
  name: string,
  bytes: Buffer,
): Promise<Host & { readonly address: string; readonly requests: () => number }> {
  let requests = 0;
  const { url, server } = await listen((asked, answer) => {
    requests++;
    const headers = { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' };
    if (asked.url === `/${name}`) answer.writeHead(200, headers).end(bytes);
    else answer.writeHead(404, headers).end();
  }, '127.0.0.1');
  return { url, address: `${url}/${name}`, requests: () => requests, close: closing(server) };
}

/** Bytes of an upload that went over the line, from an offset on. */
export interface SentPart {
  readonly offset: number;
  bytes: number;
}

export interface BreakableLine extends Host {
  readonly parts: readonly SentPart[];
  /** The next upload gets half of its bytes through; then nothing gets through any more. */
  breakNextUpload(): void;
  readonly broken: () => boolean;
  mend(): void;
}

/** A way to a server, on an address of its own. */
export async function breakableLine(target: string): Promise<BreakableLine> {
  const parts: SentPart[] = [];
  let fragile = false;
  let broken = false;
  const { url, server } = await listen((near, answer) => {
    if (broken) {
      near.socket.destroy();
      return;
    }
    const far = request(new URL(near.url ?? '/', target), { method: near.method, headers: near.headers });
    far.on('response', (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(answer);
    });
    far.on('error', () => near.socket.destroy());
    near.on('error', () => far.destroy());
    if (near.method !== 'PATCH') {
      near.pipe(far);
      return;
    }
    const part: SentPart = { offset: Number(near.headers['upload-offset']), bytes: 0 };
    parts.push(part);
    const most = fragile ? Math.floor(Number(near.headers['content-length']) / 2) : Infinity;
    near.on('data', (bytes: Buffer) => {
      if (broken) return;
      const through = bytes.subarray(0, most - part.bytes);
      part.bytes += through.length;
      broken = part.bytes >= most;
      // What was let through arrives; its sender never hears of it.
      far.write(through, () => {
        if (!broken) return;
        far.socket?.end();
        near.socket.destroy();
      });
    });
    near.on('end', () => far.end());
  }, 'localhost');
  return {
    url,
    parts,
    broken: () => broken,
    breakNextUpload: () => (fragile = true),
    mend: () => {
      fragile = false;
      broken = false;
    },
    close: closing(server),
  };
}
