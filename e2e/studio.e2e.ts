import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { chunkOfStills, expectSharedTheSame, furthest, goTo, openFresh } from './studio.ts';

const fineTune = (page: Page) => page.getByRole('region', { name: 'Fine-tune' });

/** Records one episode by keyboard: to the left and down, as long as the keys are held. */
async function recordByKeyboard(page: Page, count: number): Promise<void> {
  await expect(page.getByText('Your turn: recording starts when you move')).toBeVisible();
  await page.keyboard.down('KeyA');
  await page.keyboard.down('KeyF');
  // Long enough for a few chunks of 8, however slow the machine is.
  await expect(page.getByText(/^Recording, (1\.[5-9]|[2-9]\.|\d\d)/)).toBeVisible();
  await page.keyboard.up('KeyF');
  await page.keyboard.up('KeyA');
  await page.getByRole('button', { name: 'Finish' }).click();
  await expect(page.getByRole('list', { name: 'Episodes' }).getByRole('listitem')).toHaveCount(count);
}

test(
  'two demonstrations by keyboard, fine-tuning, before and after, and a link that predicts the same',
  { tag: '@full' },
  async ({ policyPage, page, browser }) => {
    test.setTimeout(600_000);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await policyPage.openTable('?step=demonstrations');
    await expect(page.getByLabel('Task', { exact: true })).toBeEnabled({ timeout: 60_000 });
    await page.getByLabel('Say what you’re showing').fill('wave to the left');
    await page.getByRole('button', { name: 'Start recording' }).click();
    for (let count = 1; count <= 2; count++) await recordByKeyboard(page, count);
    // While an episode is kept, Esc is not heard.
    await expect(page.getByText('Your turn: recording starts when you move')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('button', { name: 'Start recording' })).toBeVisible();

    // Looked at, relabelled, trimmed, deleted and taken back: what is trained on follows.
    const episodes = page.getByRole('list', { name: 'Episodes' });
    await episodes.getByRole('button').first().click();
    await expect(page.getByRole('img', { name: /^y over \d+ steps/ }).first()).toBeVisible();
    await page.getByLabel('Instruction of this episode').fill('wave');
    await page.getByRole('button', { name: 'Relabel' }).click();
    await expect(episodes.getByRole('button').first()).toContainText('wave');
    await page.getByRole('slider', { name: 'First step kept' }).press('ArrowRight');
    await expect(episodes.getByText('trimmed')).toBeVisible();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await expect(episodes.getByText('deleted')).toBeVisible();
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect(page.getByText('Undone: Episode 1 deleted.')).toBeVisible();
    await expect(episodes.getByText('deleted')).toHaveCount(0);
    await page.getByRole('button', { name: 'What would the policy do here?' }).click();
    await expect(page.getByText(/differs from the demonstration by an L1 of/)).toBeVisible();

    // They are still there after a reload, edits included.
    await page.reload();
    await expect(page.getByRole('list', { name: 'Episodes' }).getByText('trimmed')).toBeVisible({
      timeout: 60_000,
    });

    await page.getByLabel(/^Mix in tasks it knows/).uncheck();
    await page.getByRole('button', { name: 'Fine-tune on these' }).click();
    await page.getByLabel(/^Steps max_steps/).fill('4');
    await page.getByLabel(/^Samples per step/).fill('2');
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(fineTune(page).getByRole('status').first()).toHaveText('Done', { timeout: 180_000 });

    await page.getByRole('button', { name: /^Check \d+ frames?$/ }).click();
    await expect(page.getByText(/normalised, over \d+ frames/)).toBeVisible({ timeout: 60_000 });

    await page.getByRole('button', { name: 'Compare', exact: true }).click();
    await page.getByLabel('Task to compare').selectOption('reach');
    await page.getByRole('button', { name: 'Run 20 trials each' }).click();
    const compared = page.getByRole('group', { name: 'Success of reach' });
    await expect(compared.getByText(/of 20/)).toHaveCount(2, { timeout: 300_000 });

    const taught = await chunkOfStills(policyPage);
    await page.getByRole('button', { name: 'Practice table' }).click();
    await goTo(page, 'Share');
    await page.getByLabel('Title').fill('Waves <b>to the left</b>');
    await page.getByLabel('Your name (optional)').fill('A visitor');
    await page.getByRole('button', { name: 'Share', exact: true }).click();
    const url = await page.getByLabel(/^Link to/).inputValue();
    expect(url).toMatch(/\/s\/[\w-]{16,}$/);

    const visitor = await openFresh(browser, url);
    await expect(visitor.page.getByRole('heading', { name: 'Waves <b>to the left</b>' })).toBeVisible();
    await expect(visitor.page.getByText('Ready: press “Do it”.')).toBeVisible({ timeout: 120_000 });
    await visitor.page.getByText('Details', { exact: true }).click();
    await expect(visitor.page.getByRole('row', { name: /^reach/ })).toBeVisible();
    expect(furthest(await chunkOfStills(visitor), taught)).toBeLessThanOrEqual(1e-5);
    expect(visitor.pageErrors).toEqual([]);
    await visitor.page.context().close();

    await page.getByRole('button', { name: 'Delete from the server' }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await expect(page.getByText('Shared from this browser')).toHaveCount(0);
    const late = await openFresh(browser, url);
    await expect(late.page.getByText('This shared link could not be opened')).toBeVisible();
    await late.page.context().close();
  },
);

test(
  'demonstrations from a webcam with sliders are kept, seen, trained on and shared',
  { tag: '@full' },
  async ({ policyPage, page, browser }) => {
    test.slow();
    await policyPage.openAndLoad();
    await goTo(page, 'Demonstrations');
    await page.getByRole('tab', { name: 'Record with cameras' }).click();
    await policyPage.useCameras();
    await page.getByLabel('Say what you’re showing').fill('lift the cup');
    for (let episode = 1; episode <= 2; episode++) {
      await page.getByRole('button', { name: 'Record' }).click();
      const slider = page.getByRole('slider', { name: /^x/ });
      await slider.focus();
      for (let i = 0; i < 8; i++) await slider.press(episode === 1 ? 'PageUp' : 'PageDown');
      await expect(page.getByText(/^Recording, [1-9]/)).toBeVisible({ timeout: 60_000 });
      await page.getByRole('button', { name: 'Keep episode' }).click();
      await expect(page.getByRole('list', { name: 'Episodes' }).getByRole('listitem')).toHaveCount(episode);
    }
    await expect(page.getByRole('img', { name: /at step 0$/ }).first()).toBeVisible();
    await page.getByRole('button', { name: 'Fine-tune on these' }).click();
    await page.getByLabel(/^Steps max_steps/).fill('3');
    await page.getByRole('button', { name: 'Start training' }).click();
    await expect(fineTune(page).getByRole('status').first()).toHaveText('Done', { timeout: 120_000 });
    await page.getByRole('button', { name: /^Check \d+ frames?$/ }).click();
    await expect(page.getByText(/normalised, over \d+ frames, by .* at step 3/)).toBeVisible({
      timeout: 60_000,
    });
    // Closed and opened again: the adapter is in use, and the recordings are open.
    await page.reload();
    await expect(page.getByRole('radio', { name: /step 3,/ })).toBeChecked({ timeout: 60_000 });
    await expect(page.getByRole('button', { name: 'Start training' })).toBeVisible();
    await expectSharedTheSame(policyPage, browser, 'Lifts the cup');
  },
);

test('what is no share is told, and the page works without', async ({ policyPage, page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto('./#share=AAAA');
  await expect(page.getByText('This shared link could not be opened')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Do it' })).toBeEnabled({ timeout: 60_000 });
  expect(await policyPage.overflow()).toBe(0);
});

test('policies on this device can be checked', { tag: '@full' }, async ({ policyPage, page }) => {
  await policyPage.openAndLoad('?step=models');
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await expect(page.getByText('Every file is as its manifest says.')).toBeVisible();
});

test('nothing of a step is cut off at 390 px', { tag: '@full' }, async ({ policyPage, page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await policyPage.openTable('?step=fine-tune');
  await policyPage.ready();
  for (const step of ['Fine-tune', 'Demonstrations', 'Share', 'Models'] as const) {
    await goTo(page, step);
    await expect(page.getByRole('heading', { level: 2 }).first()).toBeVisible();
    expect(await policyPage.overflow()).toBe(0);
  }
});
