/**
 * Finds the Chromium that tests and tools use, and installs one where there is none.
 *
 * As a command, `node tools/node/run.mjs tools/node/find-chromium.ts` prints its path.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArguments } from './arguments.ts';

/** Flags every Chromium of this project starts with: WebGPU on any adapter, and no traffic of its own. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];

const WELL_KNOWN = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/**
 * Path of a Chromium, or null: `CHROMIUM_PATH`, a system one, then Playwright's own.
 *
 * @throws Error when `CHROMIUM_PATH` names a file that is not there.
 */
export async function findChromium(): Promise<string | null> {
  const wanted = process.env['CHROMIUM_PATH'];
  if (wanted) {
    if (existsSync(wanted)) return wanted;
    throw new Error(`CHROMIUM_PATH is ${wanted}, which does not exist; correct it or unset it.`);
  }
  for (const path of WELL_KNOWN) if (existsSync(path)) return path;
  const { chromium } = await import('@playwright/test');
  const own = chromium.executablePath();
  return own !== '' && existsSync(own) ? own : null;
}

/**
 * Finds a Chromium or installs one: with apt as root on Debian, else with Playwright.
 *
 * @returns its path.
 * @throws Error when the installer fails or leaves no Chromium behind.
 */
export async function installChromium(): Promise<string> {
  const found = await findChromium();
  if (found) return found;
  if (isDebian() && process.getuid?.() === 0) {
    const options = { stdio: ['ignore', 'inherit', 'inherit'] as ['ignore', 'inherit', 'inherit'] };
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-q'], { ...options, env });
    execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], {
      ...options,
      env,
    });
  } else {
    execFileSync(process.execPath, [playwrightCli(), 'install', 'chromium'], { stdio: 'inherit' });
  }
  const installed = await findChromium();
  if (!installed)
    throw new Error('No Chromium after installing one; set CHROMIUM_PATH to the browser to use.');
  return installed;
}

/**
 * The Vulkan files that Chromium ships beside its binary: a loader and the SwiftShader software driver.
 *
 * @param chromium path as {@link findChromium} gives it; a distribution's launcher script is seen through.
 * @returns null where this Chromium has none (macOS, some builds).
 */
export function chromiumVulkan(chromium: string): { icd: string; loader: string | null } | null {
  const real = realpathSync(chromium);
  const folders = new Set([dirname(real)]);
  for (const name of new Set([basename(chromium), basename(real), 'chromium', 'chromium-browser'])) {
    for (const root of ['/usr/lib', '/usr/lib64', '/usr/share', '/opt']) folders.add(join(root, name));
  }
  for (const folder of folders) {
    const icd = join(folder, 'vk_swiftshader_icd.json');
    if (!existsSync(icd)) continue;
    const loader = join(folder, 'libvulkan.so.1');
    return { icd, loader: existsSync(loader) ? loader : null };
  }
  return null;
}

function isDebian(): boolean {
  const file = '/etc/os-release';
  return existsSync(file) && /^ID(_LIKE)?=.*debian/m.test(readFileSync(file, 'utf8'));
}

function playwrightCli(): string {
  return resolve(import.meta.dirname, '../../node_modules/@playwright/test/cli.js');
}

const entry = process.argv[1];
if (entry && import.meta.url === pathToFileURL(resolve(entry)).href) {
  const { values } = parseArguments(
    `usage: node tools/node/run.mjs tools/node/find-chromium.ts [--install]

Prints the path of the Chromium that tests and tools use.

  --install    install one where there is none: with apt as root on Debian, else Playwright's`,
    { options: { install: { type: 'boolean', default: false } } },
  );
  const path = values.install ? await installChromium() : await findChromium();
  if (path) console.log(path);
  else {
    console.error('No Chromium found. Run this again with --install, or set CHROMIUM_PATH.');
    process.exitCode = 1;
  }
}
