/** The states of the page, in the order in which a visitor comes to them: walked through for pictures of all of them. */
import { expect, type BrowserContext, type Page } from '@playwright/test';
import { serveDataset } from './demo-dataset.ts';
import { PolicyPage } from './policy-page.ts';
import { TINY_POLICY } from './site.ts';
import { goTo } from './studio.ts';
import { gradientImage } from './test-media.ts';

/** Called with each state once the page is in it. */
export type Look = (state: string) => Promise<void>;
type Walk = (context: BrowserContext, look: Look) => Promise<void>;

const SLOW = { timeout: 180_000 };

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** A visitor who says what the arm should do. */
async function table(context: BrowserContext, look: Look): Promise<void> {
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await policyPage.openTable();
  await policyPage.ready();
  await look('run');
  await page.getByText('More', { exact: true }).first().click();
  await page.locator('summary', { hasText: 'Advanced' }).click();
  await page.getByText('About this policy').click();
  await look('run-advanced');
  await page.locator('summary', { hasText: 'Advanced' }).click();
  await policyPage.instruction.fill('peel the banana');
  await look('run-unknown-words');
  await policyPage.openTable('?task=stack&seed=1002');
  await policyPage.ready();
  await button(page, 'Do it').click();
  await page.getByText(/Working, 1\.\d/).waitFor(SLOW);
  await look('run-working');
  await page.getByText(/^Done in/).waitFor(SLOW);
  await look('run-done');
  await page.getByLabel('Task', { exact: true }).selectOption('can');
  await button(page, 'Do it').click();
  await page.getByText(/^Failed/).waitFor(SLOW);
  await page.getByRole('region', { name: 'Teach it this' }).waitFor(SLOW);
  await look('run-failed');
  await page.getByRole('button', { name: 'Teach it this' }).click();
  await look('teach-recording');
  await page.getByRole('button', { name: 'Stop the lesson' }).click();
  await page.getByLabel('Task', { exact: true }).selectOption('reach');
  await page
    .getByRole('button', { name: /^Run 20 trials|^Try 20|trials/ })
    .first()
    .click();
  await page.getByText(/^Trial \d/).waitFor(SLOW);
  await look('run-trials');
  await page.close();
}

/** A visitor who shows it a task. */
async function recording(context: BrowserContext, look: Look): Promise<void> {
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await policyPage.openTable('?step=demonstrations');
  await policyPage.ready();
  await expect(page.getByRole('button', { name: 'Start recording' })).toBeEnabled(SLOW);
  await look('record');
  await page.getByRole('button', { name: 'Start recording' }).click();
  await page.getByText('Your turn: recording starts when you move').waitFor(SLOW);
  await look('record-turn');
  await page.keyboard.down('a');
  await page.getByText(/^Recording, (1|2)/).waitFor(SLOW);
  await page.keyboard.up('a');
  await look('record-going');
  await button(page, 'Finish').click();
  await page.getByRole('list', { name: 'Episodes' }).waitFor(SLOW);
  await page
    .getByRole('img', { name: /^y over/ })
    .first()
    .waitFor(SLOW);
  await page.keyboard.press('Escape');
  await look('record-saved');
  await page.getByRole('tab', { name: 'Record with cameras' }).click();
  await look('record-cameras');
  await page.getByRole('tab', { name: 'Auto-generate' }).click();
  await look('expert');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await look('dataset');
  await page.close();
}

/** Someone with a dataset, who trains on it. */
async function training(context: BrowserContext, look: Look): Promise<void> {
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await serveDataset(page, 'v21');
  await policyPage.openTable('?step=demonstrations');
  await policyPage.ready();
  await goTo(page, 'Fine-tune');
  await look('fine-tune-empty');
  await goTo(page, 'Demonstrations');
  await page.getByRole('tab', { name: 'Open a dataset' }).click();
  await page.getByLabel('or an address').fill('demo/v21/');
  await button(page, 'Open').click();
  await page.getByRole('list', { name: 'Episodes' }).waitFor(SLOW);
  await page
    .getByRole('img', { name: /over \d+ steps/ })
    .first()
    .waitFor(SLOW);
  await look('dataset-open');
  await goTo(page, 'Fine-tune');
  await page.getByTestId('trainable').waitFor(SLOW);
  await look('fine-tune');
  await page.locator('summary', { hasText: 'More settings' }).click();
  await look('fine-tune-more');
  await page.locator('summary', { hasText: 'More settings' }).click();
  await page.getByLabel(/^Steps max_steps/).fill('30');
  await page.getByLabel(/^Samples per step/).fill('2');
  await page.getByRole('button', { name: 'Start training' }).click();
  await page.getByText(/^[5-9] of 30$|^\d\d of 30$/).waitFor(SLOW);
  await look('fine-tune-running');
  await page
    .getByRole('region', { name: 'Fine-tune' })
    .getByText('Done', { exact: true })
    .first()
    .waitFor(SLOW);
  await look('fine-tune-done');
  await goTo(page, 'Share');
  await page.getByLabel('Title').waitFor(SLOW);
  await look('share');
  await page.getByLabel('Title').fill('Lifts the can');
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  await page.getByLabel(/^Link to/).waitFor(SLOW);
  await look('share-done');
  const link = await page.getByLabel(/^Link to/).inputValue();
  await goTo(page, 'Models');
  await page.getByRole('heading', { name: 'Policies on this device' }).waitFor(SLOW);
  await look('models');
  await page.goto(link);
  await page.getByRole('region', { name: 'Shared with you' }).waitFor(SLOW);
  await policyPage.ready();
  await page
    .getByRole('region', { name: 'Shared with you' })
    .getByText(/^Ready/)
    .waitFor(SLOW);
  await look('shared-with-you');
  await page.close();
}

/** Someone in front of cameras. */
async function camera(context: BrowserContext, look: Look): Promise<void> {
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await policyPage.openTable('?view=camera');
  await policyPage.ready();
  await look('camera');
  await policyPage.useFile(0, gradientImage(112, 80));
  await look('camera-one');
  await policyPage.instruction.fill('lift the red block');
  for (const slot of await policyPage.slots.all()) {
    const use = slot.getByRole('button', { name: /^Use camera/ });
    if (await use.isVisible()) await use.click();
  }
  await policyPage.startButton.click();
  await page.getByText('median of the last 20').waitFor(SLOW);
  await look('camera-predicting');
  await page.close();
}

/** What goes wrong. */
async function failures(context: BrowserContext, look: Look): Promise<void> {
  const page = await context.newPage();
  const policyPage = new PolicyPage(page);
  await policyPage.open(`?policy=${TINY_POLICY}`);
  await policyPage.loadButton.waitFor(SLOW);
  await look('gate');
  await page.goto('./?policy=models/nothing/manifest.json');
  await page.getByRole('alert').first().waitFor(SLOW);
  await look('gate-failed');
  await page.goto('./#share=nonsense');
  await page.reload();
  await page.getByRole('alert').first().waitFor(SLOW);
  await look('share-failed');
  await page.close();
}

/** By name; each begins as a first visit. */
export const WALKS: Readonly<Record<string, Walk>> = { table, recording, training, camera, failures };
