/** The same episodes in the page, in a real Chromium: its "Run 20 trials", as often as it takes. */
import { chromium, type Page } from '@playwright/test';
import { serveSite } from '../../e2e/site.ts';
import { goTo } from '../../e2e/studio.ts';
import type { RobotName } from '../../src/practice/world.ts';
import { CHROMIUM_FLAGS, findChromium } from '../node/find-chromium.ts';

/** Episodes per press of the button. */
export const TRIALS = 20;

export interface PageEvaluation {
  readonly page: Page;
  /** Success by seed. */
  run(task: string, firstSeed: number, episodes: number): Promise<Map<number, boolean>>;
  close(): Promise<void>;
}

/**
 * Opens the built page with the shipped policy.
 * @param options.adapter path of a checkpoint zip, which is imported and then in use
 * @param options.robot who stands at the table; default the table's own
 */
export async function openPageEvaluation(
  options: { readonly adapter?: string | undefined; readonly robot?: RobotName } = {},
): Promise<PageEvaluation> {
  const server = await serveSite(0);
  const executablePath = await findChromium();
  const browser = await chromium.launch({
    args: CHROMIUM_FLAGS,
    ...(executablePath ? { executablePath } : {}),
  });
  const page = await browser.newPage({ viewport: { width: 900, height: 900 }, reducedMotion: 'reduce' });
  await page.goto(server.url);
  const start = page.getByRole('button', { name: `Run ${TRIALS} trials` });
  await start.waitFor({ timeout: 120_000 });
  if (options.adapter) {
    await goTo(page, 'Fine-tune');
    await page.getByLabel('Import a checkpoint zip').setInputFiles(options.adapter);
    await page.getByRole('radio', { name: /\(imported\)/, checked: true }).waitFor({ timeout: 120_000 });
    await goTo(page, 'Run');
  }
  if (options.robot) await page.getByLabel('Robot', { exact: true }).selectOption(options.robot);
  return {
    page,
    run: async (task, firstSeed, episodes) => {
      const results = new Map<number, boolean>();
      await page.getByLabel('Task', { exact: true }).selectOption(task);
      // Folded in again by whoever has been at another step.
      const layout = page.getByLabel('Starting layout');
      if (!(await layout.isVisible())) await page.getByText('Advanced', { exact: true }).click();
      for (let seed = firstSeed; seed < firstSeed + episodes; seed += TRIALS) {
        await layout.fill(String(seed));
        await start.click();
        const last = page.locator(`.trials-row li[data-seed="${seed + TRIALS - 1}"]`);
        await last.waitFor({ state: 'attached', timeout: 600_000 });
        const rows = await page
          .locator('.trials-row li')
          .evaluateAll((items) => items.map(({ dataset }) => [dataset['seed'], dataset['success']]));
        for (const [at, success] of rows) results.set(Number(at), success === 'true');
      }
      return results;
    },
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
