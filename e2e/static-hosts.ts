/** Kinds of host that a built page may lie on, made for a test: none of them sends a header of its own. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Host } from './hosts.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

export interface HostKind {
  /** The folder of the host that the page lies in, with slashes at both ends. */
  readonly under?: string;
  /** Compresses what compresses, and gives no length, as content networks do. */
  readonly gzip?: boolean;
  /** Answers with the page where there is no file, as hosts for single-page apps do. */
  readonly fallback?: boolean;
  /** Pages of the host itself, by path. */
  readonly pages?: Readonly<Record<string, string>>;
}

export async function staticHost(folder: string, kind: HostKind = {}): Promise<Host> {
  const { under = '/', gzip = false, fallback = false, pages = {} } = kind;
  const root = resolve(folder);
  const find = async (pathname: string): Promise<{ bytes: Buffer; type: string } | null> => {
    const own = pages[pathname];
    if (own !== undefined) return { bytes: Buffer.from(own), type: 'text/html' };
    if (!pathname.startsWith(under)) return null;
    const name = normalize(decodeURIComponent(pathname.slice(under.length))) || 'index.html';
    const path = join(root, name === '.' ? 'index.html' : name);
    const bytes = await readFile(path).catch(() => null);
    if (bytes) return { bytes, type: TYPES[extname(path)] ?? 'application/octet-stream' };
    return fallback ? { bytes: await readFile(join(root, 'index.html')), type: 'text/html' } : null;
  };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    void find(pathname).then((found) => {
      if (found === null) {
        response.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>404</h1>');
        return;
      }
      const { bytes, type } = found;
      const compress = gzip && /text|json|wasm/.test(type);
      response.writeHead(200, { 'Content-Type': type, ...(compress && { 'Content-Encoding': 'gzip' }) });
      response.end(compress ? gzipSync(bytes, { level: 1 }) : bytes);
    });
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
