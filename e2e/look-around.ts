/**
 * Walks through every state of the page and takes a picture of each at every width, by day and by night:
 * `node tools/node/run.mjs e2e/look-around.ts FOLDER [walk …] [390,1440]`, widths of all that are below. Also says what does not fit beside each other. To be looked at; not kept.
 */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { launchWithCamera } from './launch-with-camera.ts';
import { WALKS } from './page-states.ts';
import { serveSite } from './site.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const [folder = 'looks', ...rest] = process.argv.slice(2);
const widths = rest.find((argument) => /^\d/.test(argument))?.split(',');
const asked = rest.filter((argument) => !/^\d/.test(argument));
const ALL_SIZES = [
  [1440, 900],
  [1920, 1080],
  [1024, 768],
  [640, 450],
  [390, 844],
  [320, 256],
] as const;
const SIZES = ALL_SIZES.filter(([width]) => widths === undefined || widths.includes(String(width)));
await mkdir(folder, { recursive: true });
const server = await serveSite(0);
const browser = await launchWithCamera();
try {
  for (const [name, walk] of Object.entries(WALKS)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    const context = await browser.newContext({
      baseURL: server.url,
      viewport: { width: 1440, height: 900 },
      reducedMotion: 'reduce',
    });
    try {
      await walk(context, async (state) => {
        const page = context.pages().at(-1)!;
        for (const [width, height] of SIZES) {
          await page.setViewportSize({ width, height });
          await page.evaluate(
            () =>
              new Promise((done) => {
                requestAnimationFrame(() => requestAnimationFrame(done));
              }),
          );
          const cut = await page.evaluate(() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return [];
            return [...document.querySelectorAll('body *')]
              .filter(
                (element) =>
                  element.getBoundingClientRect().right > root.clientWidth + 0.5 &&
                  !element.parentElement?.closest('.table-scroll, .visually-hidden'),
              )
              .slice(0, 12)
              .map(
                (element) =>
                  `${element.tagName}.${element.className} ${Math.round(element.getBoundingClientRect().right)}`,
              );
          });
          if (cut.length > 0) say(`${state} at ${width}: ${cut.join(' | ')}`);
          await page.screenshot({
            path: resolve(folder, `${state}-${width}.png`),
            fullPage: width < 1900 && width !== 320,
          });
          if (width === 1440) {
            await page.screenshot({ path: resolve(folder, `${state}-${width}-first.png`) });
            await page.emulateMedia({ colorScheme: 'dark' });
            await page.screenshot({ path: resolve(folder, `${state}-${width}-dark.png`) });
            await page.emulateMedia({ colorScheme: 'light' });
          }
        }
        await page.setViewportSize({ width: 1440, height: 900 });
        say(state);
      });
    } catch (error) {
      console.error(`${name}: ${String(error)}`);
      await context
        .pages()
        .at(-1)
        ?.screenshot({ path: resolve(folder, `${name}-stopped.png`) });
    }
    await context.close();
  }
} finally {
  await browser.close();
  await server.close();
}
process.exit(0);
