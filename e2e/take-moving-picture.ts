/**
 * Takes the moving picture that the README shows, docs/at-work.webp: `npm run moving-picture [-- --whole]`. The built page as it is drawn, in real
 * time: a task that the policy knows, one that it does not, and how it is taught that; with --whole also what came of the lesson, which takes as long as a
 * lesson takes. Between the scenes time is left out.
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CDPSession, Page } from '@playwright/test';
import sharp from 'sharp';
import { parseArguments } from '../tools/node/arguments.ts';
import { launchWithCamera } from './launch-with-camera.ts';
import { PolicyPage } from './policy-page.ts';
import { serveSite } from './site.ts';
import { goTo } from './studio.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const { values } = parseArguments(
  `usage: npm run moving-picture -- [options]

  --whole    waits for the whole lesson, and shows what came of it
  --out FILE where it goes (default docs/at-work.webp)`,
  {
    options: {
      whole: { type: 'boolean', default: false },
      out: { type: 'string', default: 'docs/at-work.webp' },
    },
  },
);

const VIEW = { width: 1200, height: 750 };
/** Of the picture, pixels. */
const WIDTH = 840;
const MOST_BYTES = 1_200_000;
/** Frames that follow faster are left out. */
const FRAME_MS = 100;
/** The last frame of a scene is read; nothing else lasts longer than this. */
const LONGEST_MS = 400;
const READ_MS = 1600;

interface Frame {
  readonly png: Buffer;
  readonly delayMs: number;
}

/** What is drawn between start and stop, with the time between. */
class Film {
  readonly frames: Frame[] = [];
  readonly #page: Page;
  readonly #devtools: CDPSession;
  #scene: { readonly data: string; readonly at: number }[] = [];

  private constructor(page: Page, devtools: CDPSession) {
    this.#page = page;
    this.#devtools = devtools;
    devtools.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
      this.#scene.push({ data, at: 1000 * (metadata.timestamp ?? 0) });
      void devtools.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
    });
  }

  static async of(page: Page): Promise<Film> {
    return new Film(page, await page.context().newCDPSession(page));
  }

  /** Everything that is drawn while `act` goes on. */
  async scene(act: () => Promise<unknown>): Promise<void> {
    this.#scene = [];
    await this.#page.evaluate(() => window.scrollTo({ top: 0 }));
    await this.#devtools.send('Page.startScreencast', { format: 'png', everyNthFrame: 1 });
    await act();
    await this.#devtools.send('Page.stopScreencast');
    // What it ended with, also where that was drawn before.
    const end = { data: (await this.#page.screenshot()).toString('base64'), at: Date.now() };
    const shown = [...this.#scene, end].filter(
      ({ at }, i, all) =>
        i === 0 ||
        i === all.length - 1 ||
        Math.floor(at / FRAME_MS) !== Math.floor(all[i - 1]!.at / FRAME_MS),
    );
    for (const [i, { data, at }] of shown.entries()) {
      const next = shown[i + 1];
      this.frames.push({
        png: await sharp(Buffer.from(data, 'base64')).resize(WIDTH).png().toBuffer(),
        delayMs: next ? Math.max(FRAME_MS, Math.min(LONGEST_MS, Math.round(next.at - at))) : READ_MS,
      });
    }
  }

  /** @throws Error where even the coarsest is too large */
  async encode(): Promise<Buffer> {
    for (const quality of [70, 60, 50, 40, 30]) {
      const webp = await sharp(
        this.frames.map(({ png }) => png),
        { join: { animated: true } },
      )
        .webp({
          quality,
          effort: 5,
          smartSubsample: true,
          minSize: true,
          loop: 0,
          delay: this.frames.map(({ delayMs }) => delayMs),
        })
        .toBuffer();
      say(`quality ${quality}: ${(webp.byteLength / 1000).toFixed(0)} kB of ${this.frames.length} frames`);
      if (webp.byteLength <= MOST_BYTES) return webp;
    }
    throw new Error(`The moving picture is larger than ${MOST_BYTES} bytes; film less.`);
  }
}

const SLOW = { timeout: 3_600_000 };

const server = await serveSite(0);
const browser = await launchWithCamera();
try {
  const context = await browser.newContext({ baseURL: server.url, viewport: VIEW, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(3_600_000);
  const policyPage = new PolicyPage(page);
  const film = await Film.of(page);
  const doIt = page.getByRole('button', { name: 'Do it' });
  const status = page.getByRole('region', { name: 'Practice table' }).getByRole('status');
  const teach = page.getByRole('region', { name: 'Teach it this' });

  await policyPage.openTable('?task=stack&seed=1002');
  await policyPage.ready();
  await film.scene(async () => {
    await doIt.click();
    await status
      .getByText(/^Done in/)
      .or(status.filter({ hasText: /^Done in/ }))
      .first()
      .waitFor(SLOW);
  });

  await page.getByLabel('Task', { exact: true }).selectOption('can');
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await doIt.click();
  await teach.getByText(/^Takes about/).waitFor(SLOW);
  await film.scene(async () => {
    await teach.getByRole('button', { name: 'Teach it this' }).click();
    await teach.getByText(/^1 of 3/).waitFor(SLOW);
    await page.waitForTimeout(1500);
  });
  await teach.getByText(/^2 of 3: the lesson, .* left/).waitFor(SLOW);
  await goTo(page, 'Fine-tune');
  const steps = (from: number) =>
    page.getByText(new RegExp(`^(${from}|\\d{${String(from).length + 1},}) of 1500$`)).waitFor(SLOW);
  await steps(40);
  await film.scene(() => page.waitForTimeout(4000));
  if (values.whole) {
    await goTo(page, 'Run');
    await teach.getByText(/^It can do it now/).waitFor(SLOW);
    await film.scene(async () => {
      await teach.getByRole('button', { name: 'Watch it' }).click();
      await status.filter({ hasText: /^Done in/ }).waitFor(SLOW);
    });
  }
  const out = resolve(values.out);
  await writeFile(out, await film.encode());
  say(out);
} finally {
  await browser.close();
  await server.close();
}
process.exit(0);
