/**
 * Adds the two headers that give a page WASM threads, on hosts that cannot send them. Registered by src/app/isolation.ts where they are
 * missing, and nowhere else. It stores nothing and answers for nothing but this page's own documents and scripts.
 */
const ISOLATING = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
// What is held to these headers: the page, and the workers it starts.
const DESTINATIONS = ['document', 'worker', 'sharedworker', 'script'];

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !DESTINATIONS.includes(request.destination)) return;
  if (new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(fetch(request).then(withHeaders));
});

function withHeaders(answer) {
  // Redirects and answers that cannot be seen are passed on as they are.
  if (answer.status === 0 || answer.type === 'opaqueredirect') return answer;
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(ISOLATING)) headers.set(name, value);
  const body = [101, 204, 205, 304].includes(answer.status) ? null : answer.body;
  return new Response(body, { status: answer.status, statusText: answer.statusText, headers });
}
