/**
 * The page's service worker: keeps the files that the page is made of, so that it opens without a network, and adds the two headers that give
 * a page WASM threads on hosts that cannot send them. tools/build/service-worker.ts puts FILES and VERSION before it; src/app/offline.ts and
 * isolation.ts register it. It answers for nothing but this page's own files: models, shares and data sets pass it by.
 */
const ISOLATING = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
// What is held to these headers: the page, and the workers it starts.
const DESTINATIONS = ['document', 'worker', 'sharedworker', 'script'];

const ROOT = new URL('./', self.location.href).href;
const CACHES = `openvla-web files of ${ROOT} `;
const CACHE = CACHES + VERSION;
const KEPT = new Set(FILES.map((path) => new URL(path, ROOT).href));
/** onnxruntime comes in several builds of 14 to 27 MB; the page says which of them it uses. */
const RUNTIME = /\/assets\/ort-wasm-/;

// The first one takes over at once. A newer one waits until the pages of the older one are closed, whose files it would delete.
self.addEventListener('install', (event) => {
  if (self.registration.active) event.waitUntil(keepAll());
});
self.addEventListener('activate', (event) => event.waitUntil(takeOver()));
self.addEventListener('message', (event) => {
  if (event.data?.kind === 'keep') event.waitUntil(answer(event, keepAll(event.data.runtime)));
});
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  url.hash = '';
  if (request.mode === 'navigate') event.respondWith(page(request, url));
  else if (KEPT.has(url.href)) event.respondWith(kept(request, url.href));
  else if (DESTINATIONS.includes(request.destination)) event.respondWith(fetch(request).then(withHeaders));
});

async function takeOver() {
  for (const name of await caches.keys()) {
    if (name.startsWith(CACHES) && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

async function answer(event, work) {
  const missing = await work;
  event.ports[0]?.postMessage({ missing });
}

/**
 * Fetches what is not here yet, mostly from the browser's own cache.
 * @param runtime which builds of onnxruntime; none where it is not known
 * @returns how many files could not be had
 */
async function keepAll(runtime) {
  const cache = await caches.open(CACHE);
  let missing = 0;
  for (const url of KEPT) {
    if (RUNTIME.test(url) && !(runtime && url.includes(runtime))) continue;
    if (await cache.match(url)) continue;
    try {
      // What carries a hash in its name never changes; the page itself does.
      const found = await fetch(url, { cache: url.includes('/assets/') ? 'default' : 'no-cache' });
      if (found.ok) await cache.put(url, found);
      else missing++;
    } catch {
      missing++;
    }
  }
  return missing;
}

/** The page as it is now; without a network as it was kept. */
async function page(request, url) {
  try {
    return withHeaders(await fetch(request));
  } catch (error) {
    const here = url.href.split('?')[0];
    const found = here === ROOT || here === `${ROOT}index.html` ? await fromCache(ROOT) : undefined;
    if (found) return withHeaders(found);
    throw error;
  }
}

async function kept(request, url) {
  return withHeaders((await fromCache(url)) ?? (await fetch(request)));
}

async function fromCache(url) {
  return (await caches.open(CACHE)).match(url);
}

function withHeaders(answered) {
  // Redirects and answers that cannot be seen are passed on as they are.
  if (answered.status === 0 || answered.type === 'opaqueredirect') return answered;
  const headers = new Headers(answered.headers);
  for (const [name, value] of Object.entries(ISOLATING)) headers.set(name, value);
  const body = [101, 204, 205, 304].includes(answered.status) ? null : answered.body;
  return new Response(body, { status: answered.status, statusText: answered.statusText, headers });
}
