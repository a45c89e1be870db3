/**
 * Cross-origin isolation, without which a page has no WASM threads, on hosts that cannot send headers: a service worker adds them
 * (service-worker.js). It needs one reload, which is tried once a session and never again; `?coi=0` turns it off.
 */
import { pageRoot } from './page-root.ts';

const TRIED = 'openvla-isolation-tried';
/** A service worker that has not taken over by then is not waited for; it serves the next visit. */
const WAIT_MS = 4000;

/** Inside another page, only that page can isolate. Over http there are no service workers. */
const mayRegister = (): boolean =>
  !import.meta.env.DEV && 'serviceWorker' in navigator && window.top === window;
const turnedOff = (): boolean => new URLSearchParams(location.search).get('coi') === '0';

/** Whether the page is being loaded anew and should do nothing more. */
export async function isolatePage(): Promise<boolean> {
  if (!mayRegister()) return false;
  try {
    if (turnedOff()) return await turnOff();
    if (window.crossOriginIsolated || sessionStorage.getItem(TRIED) !== null) return false;
    sessionStorage.setItem(TRIED, 'on');
    if (!(await takenOver())) return false;
    location.reload();
    return true;
  } catch {
    // Private windows and strict settings refuse; the page works on one thread.
    return false;
  }
}

/** @returns whether there may be one: not while developing, not inside another page, and not where `?coi=0` or http forbids it */
export async function registerServiceWorker(): Promise<boolean> {
  if (!mayRegister() || turnedOff()) return false;
  const worker = new URL('service-worker.js', pageRoot());
  await navigator.serviceWorker.register(worker, { scope: pageRoot().pathname });
  return true;
}

async function takenOver(): Promise<boolean> {
  await registerServiceWorker();
  if (navigator.serviceWorker.controller) return true;
  return new Promise((done) => {
    navigator.serviceWorker.addEventListener('controllerchange', () => done(true), { once: true });
    setTimeout(done, WAIT_MS, false);
  });
}

/** Removes the service worker; the page that it has served is loaded once more without it. */
async function turnOff(): Promise<boolean> {
  const registration = await navigator.serviceWorker.getRegistration(pageRoot());
  if (!registration) return false;
  await registration.unregister();
  for (const name of await caches.keys())
    if (name.startsWith(`openvla-web files of ${pageRoot().href} `)) await caches.delete(name);
  if (!navigator.serviceWorker.controller || sessionStorage.getItem(TRIED) === 'off') return false;
  sessionStorage.setItem(TRIED, 'off');
  location.reload();
  return true;
}
