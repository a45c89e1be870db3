import type { MiddlewareHandler } from 'hono';
import { PRACTICE_WORKER_SECURITY_POLICY } from '../src/share/content-security-policy.ts';
import { PAGE_HEADERS } from './page-headers.ts';

/** As Vite names it after `src/workers/practice/practice-worker.ts`. */
const PRACTICE_WORKER = /^\/assets\/practice-worker-[\w-]+\.js$/;

export const securityHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(PAGE_HEADERS)) c.res.headers.set(name, value);
  if (PRACTICE_WORKER.test(c.req.path))
    c.res.headers.set('Content-Security-Policy', PRACTICE_WORKER_SECURITY_POLICY);
  // What pages on other hosts may fetch says so itself.
  if (!c.res.headers.has('Cross-Origin-Resource-Policy'))
    c.res.headers.set('Cross-Origin-Resource-Policy', 'same-origin');
};

/** For what a page on any host may read: shares and adapters. */
export const readableAnywhere: MiddlewareHandler = async (c, next) => {
  await next();
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return;
  c.res.headers.set('Access-Control-Allow-Origin', '*');
  c.res.headers.set('Access-Control-Expose-Headers', 'Content-Length, Content-Range, ETag');
  c.res.headers.set('Cross-Origin-Resource-Policy', 'cross-origin');
};
