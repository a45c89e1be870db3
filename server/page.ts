import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type MiddlewareHandler } from 'hono';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Names under /assets carry a hash of their content, as do addresses with a version; every other file is asked for again, and
 * answered by 304 when it is as old as the browser's copy.
 */
const caching: MiddlewareHandler = async (c, next) => {
  await next();
  const lastModified = c.res.headers.get('last-modified');
  if (lastModified === null) return;
  const named = c.req.path.startsWith('/assets/') || c.req.query('v') !== undefined;
  c.res.headers.set('Cache-Control', named ? 'public, max-age=31536000, immutable' : 'no-cache');
  if (c.res.status !== 200 || c.req.header('if-modified-since') !== lastModified) return;
  await c.res.body?.cancel();
  const { headers } = c.res;
  headers.delete('Content-Length');
  c.res = undefined;
  c.res = new Response(null, { status: 304, headers });
};

/** Addresses in the built page are relative to it; `/s/<id>` lies one folder deeper. */
const OWN_ADDRESS = /(\s(?:src|href)=")\.\//g;

/**
 * The built page: files of `dist`, with `.br` or `.gz` beside them where there are any. `/s/<id>` is the page too, which reads the share's id from its
 * address. Paths with `..`, backslashes or percent signs find nothing.
 */
export function page(dist: string): Hono {
  const app = new Hono();
  app.use(caching);
  app.get('/s/:id', async (c) => {
    const path = join(dist, 'index.html');
    const found = await stat(path);
    const html = (await readFile(path, 'utf8')).replaceAll(OWN_ADDRESS, '$1../');
    return c.html(html, 200, { 'Last-Modified': found.mtime.toUTCString() });
  });
  app.get('*', serveStatic({ root: dist, precompressed: true }));
  return app;
}
