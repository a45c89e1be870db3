import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { DuplicateKeyError, parseStrictJson } from '../src/base/strict-json.ts';
import { MAX_MANIFEST_BYTES, parseShareManifest } from '../src/share/share-manifest.ts';
import { HttpError } from './http-error.ts';
import { shareNotFound, type ShareStore } from './share-store.ts';

/** `/api/shares`: create, read and delete. */
export function shareRoutes(shares: ShareStore, tagOf: (c: Context) => string): Hono {
  const app = new Hono();

  const limit = bodyLimit({
    maxSize: MAX_MANIFEST_BYTES,
    onError: () => {
      throw new HttpError(
        413,
        'too-large',
        `A share has ${MAX_MANIFEST_BYTES} bytes at most.`,
        'Shorten the note.',
      );
    },
  });
  app.post('/', limit, async (c) => {
    if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
      throw new HttpError(415, 'bad-input', 'A share is sent as application/json.');
    const manifest = parseShareManifest(await readBody(c.req.raw));
    const { id, token } = await shares.create(manifest, tagOf(c));
    return c.json({ id, token, url: `/s/${id}` }, 201);
  });

  app.get('/:id', async (c) => {
    const manifest = await shares.find(c.req.param('id'));
    if (manifest === null) throw shareNotFound();
    // It can be deleted at any time.
    return c.json(manifest, 200, { 'Cache-Control': 'no-cache' });
  });

  app.delete('/:id', async (c) => {
    const token = /^Bearer ([A-Za-z0-9_-]{43})$/.exec(c.req.header('authorization') ?? '')?.[1];
    if (token === undefined) {
      c.header('WWW-Authenticate', 'Bearer');
      throw new HttpError(
        401,
        'unauthorized',
        'Deleting needs the key that was given when the share was made.',
      );
    }
    await shares.remove(c.req.param('id'), token);
    return c.body(null, 204);
  });
  return app;
}

async function readBody(request: Request): Promise<unknown> {
  try {
    return parseStrictJson(await request.text());
  } catch (error) {
    if (error instanceof DuplicateKeyError)
      throw new HttpError(400, 'bad-input', `The body is refused: ${error.message}.`);
    if (error instanceof SyntaxError) throw new HttpError(400, 'bad-input', 'The body is not JSON.');
    throw error;
  }
}
