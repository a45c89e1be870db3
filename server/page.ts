import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type Context, type MiddlewareHandler } from 'hono';

/** 304 for a file that is as old as the browser's copy. */
const answerUnchanged: MiddlewareHandler = async (c, next) => {
  await next();
  const known = c.req.header('if-modified-since');
  if (known === undefined || c.res.status !== 200 || c.res.headers.get('last-modified') !== known) return;
  await c.res.body?.cancel();
  const { headers } = c.res;
  for (const name of ['Content-Length', 'Content-Type', 'Content-Encoding']) headers.delete(name);
  c.res = undefined;
  c.res = new Response(null, { status: 304, headers });
};

/**
 * The built page: files of `dist`, with `.br` or `.gz` beside them where there are any. `/s/<id>` is the page too, which reads the share's id from its
 * address. Paths with `..`, backslashes or percent signs find nothing.
 */
export function page(dist: string): Hono {
  const app = new Hono();
  const files = (path?: string) =>
    serveStatic({
      root: dist,
      precompressed: true,
      onFound: setCaching,
      ...(path === undefined ? {} : { path }),
    });
  app.use('*', answerUnchanged);
  app.get('/s/:id', files('index.html'));
  app.get('*', files());
  return app;
}

/** Names under /assets carry a hash of their content, as do addresses with a version; everything else is asked for again. */
function setCaching(_path: string, c: Context): void {
  const named = c.req.path.startsWith('/assets/') || c.req.query('v') !== undefined;
  c.header('Cache-Control', named ? 'public, max-age=31536000, immutable' : 'no-cache');
}
