import { readFile } from 'node:fs/promises';
import { expect, type Locator, type Page, type Request } from '@playwright/test';
import { TINY_POLICY } from './site.ts';
import type { SavedPrediction } from '../src/app/prediction/saved-prediction.ts';

/** A file as `setInputFiles` takes it. */
export interface TestFile {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** The page as a user handles it. */
export class PolicyPage {
  readonly page: Page;
  /** Requests for files of policy packages, in order. */
  readonly modelRequests: Request[] = [];
  /** What the page threw and nobody caught, and what its Content-Security-Policy forbade. */
  readonly pageErrors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('request', (request) => {
      if (new URL(request.url()).pathname.includes('/models/')) this.modelRequests.push(request);
    });
    page.on('pageerror', (error) => this.pageErrors.push(error.message));
    // What the page's own policy forbids is a mistake of the page.
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.pageErrors.push(message.text());
    });
  }

  get loadButton(): Locator {
    return this.page.getByRole('button', { name: /^Load policy/ });
  }
  get startButton(): Locator {
    return this.page.getByRole('button', { name: 'Start' });
  }
  get stopButton(): Locator {
    return this.page.getByRole('button', { name: 'Stop', exact: true });
  }
  get onceButton(): Locator {
    return this.page.getByRole('button', { name: 'Predict once' });
  }
  get instruction(): Locator {
    return this.page.getByRole('textbox', { name: 'Instruction' });
  }
  get slots(): Locator {
    return this.page.locator('.slot');
  }
  /** `WebGPU` or `WASM`, as the loaded policy's summary says. */
  get usedBackend(): Locator {
    return this.page.locator('.summary-backend .tag');
  }
  get table(): Locator {
    return this.page.locator('.chunk-numbers .table-scroll');
  }

  /** What a predicted chunk stands under. */
  get chunk(): Locator {
    return this.page.getByRole('heading', { name: /^Next \d+ actions/ });
  }

  /** The notice of a failure with this code. */
  failure(code: string): Locator {
    return this.page.locator(`[role=alert][data-code="${code}"]`);
  }

  /** Opens the camera view with the tiny policy; a policy that the address names is loaded only when asked for. */
  async open(query = ''): Promise<void> {
    const search = new URLSearchParams(query);
    search.set('view', 'camera');
    if (!search.has('policy')) search.set('policy', TINY_POLICY);
    await this.page.goto(`./?${search.toString()}`);
  }

  /** Opens the page as a visitor finds it: the practice table, with its policy on the way. */
  async openTable(query = ''): Promise<void> {
    await this.page.goto(`./${query}`);
  }

  /** Waits until the policy can be used. */
  async ready(): Promise<void> {
    await expect(this.page.locator('.mast-phase')).toHaveText(
      /Policy ready|Predicting|Finishing|Fine-tuning/,
      { timeout: 120_000 },
    );
  }

  /** Opens the page and loads the tiny policy from the network. */
  async openAndLoad(query = ''): Promise<void> {
    await this.open(query);
    await this.loadButton.click();
    await this.ready();
  }

  /** Feeds every slot from the fake camera. */
  async useCameras(): Promise<void> {
    for (const slot of await this.slots.all()) {
      await slot.getByRole('button', { name: /^Use camera/ }).click();
      await expect(slot).toHaveAttribute('data-status', 'live');
    }
  }

  async useFile(slot: number, file: TestFile): Promise<void> {
    await this.slots.nth(slot).locator('input[type=file]').setInputFiles(file);
    await expect(this.slots.nth(slot)).toHaveAttribute('data-status', 'live');
  }

  /** Drops a file on a slot, as from the desktop. */
  async dropFile(slot: number, file: TestFile): Promise<void> {
    const transfer = await this.page.evaluateHandle(
      ({ name, type, base64 }) => {
        const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, { type }));
        return data;
      },
      { name: file.name, type: file.mimeType, base64: file.buffer.toString('base64') },
    );
    await this.slots.nth(slot).dispatchEvent('drop', { dataTransfer: transfer });
    await expect(this.slots.nth(slot)).toHaveAttribute('data-status', 'live');
  }

  async predictOnce(): Promise<void> {
    await this.onceButton.click();
    await expect(this.chunk).toBeVisible({ timeout: 60_000 });
    await expect(this.onceButton).toBeEnabled();
  }

  /** The chunk as the table shows it, with all its digits. */
  async shownChunk(): Promise<number[][]> {
    const rows = await this.table.locator('tbody tr').all();
    return Promise.all(
      rows.map((row) =>
        row.locator('td').evaluateAll((cells) => cells.map((cell) => Number(cell.dataset['value']))),
      ),
    );
  }

  /** Presses "Save this prediction" and reads the downloaded file. */
  async save(): Promise<{ saved: SavedPrediction; path: string }> {
    const downloading = this.page.waitForEvent('download');
    await this.page.getByRole('button', { name: 'Save this prediction' }).click();
    const path = await (await downloading).path();
    return { saved: JSON.parse(await readFile(path, 'utf8')) as SavedPrediction, path };
  }

  /** What of the document does not fit beside each other, pixels; 0 when nothing is cut off. */
  overflow(): Promise<number> {
    return this.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  }
}
