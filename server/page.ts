import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type MiddlewareHandler } from 'hono';

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

/**
 * The built page: files of `dist`, with `.br` or `.gz` beside them where there are any. `/s/<id>` is the page too, which reads the share's id from its
 * address. Paths with `..`, backslashes or percent signs find nothing.
 */
export function page(dist: string): Hono {
  const app = new Hono();
  app.use(caching);
  app.get('/s/:id', serveStatic({ root: dist, path: 'index.html', precompressed: true }));
  app.get('*', serveStatic({ root: dist, precompressed: true }));
  return app;
}
