import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import * as v from 'valibot';
import type { DirectUploads } from './direct-uploads.ts';
import { HttpError } from './http-error.ts';

const MAX_BYTES = 1024;
const announcement = v.strictObject({ sha256: v.string(), bytes: v.pipe(v.number(), v.safeInteger()) });

/** `/api/adapters/direct`: begin, ask where what is missing can be put, complete, cancel. */
export function directRoutes(direct: DirectUploads, clientOf: (c: Context) => string): Hono {
  const app = new Hono();
  const limit = bodyLimit({
    maxSize: MAX_BYTES,
    onError: () => {
      throw new HttpError(413, 'too-large', `An announcement has ${MAX_BYTES} bytes at most.`);
    },
  });
  app.use(async (c, next) => {
    await next();
    // Addresses to write to are for one client.
    c.res.headers.set('Cache-Control', 'no-store');
  });
  app.post('/', limit, async (c) => {
    const json: unknown = await c.req.json().catch(() => null);
    const announced = v.safeParse(announcement, json);
    if (!announced.success)
      throw new HttpError(
        400,
        'bad-input',
        'An upload begins with its SHA-256 and its number of bytes, as JSON.',
      );
    const { sha256, bytes } = announced.output;
    return c.json(await direct.begin(sha256, bytes, clientOf(c)), 201);
  });
  app.get('/:id', async (c) => c.json(await direct.addresses(c.req.param('id'))));
  app.post('/:id/complete', async (c) => {
    await direct.complete(c.req.param('id'));
    return c.body(null, 204);
  });
  app.delete('/:id', async (c) => {
    await direct.cancel(c.req.param('id'));
    return c.body(null, 204);
  });
  return app;
}
