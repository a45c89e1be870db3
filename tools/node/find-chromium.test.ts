import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { chromiumVulkan, findChromium } from './find-chromium.ts';

describe('findChromium', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('obeys CHROMIUM_PATH', async () => {
    vi.stubEnv('CHROMIUM_PATH', process.execPath);
    expect(await findChromium()).toBe(process.execPath);
  });

  it('says so when CHROMIUM_PATH leads nowhere', async () => {
    vi.stubEnv('CHROMIUM_PATH', '/no/such/browser');
    await expect(findChromium()).rejects.toThrow(
      /CHROMIUM_PATH is \/no\/such\/browser, which does not exist/,
    );
  });

  it('finds a browser that exists', async () => {
    vi.stubEnv('CHROMIUM_PATH', '');
    const found = await findChromium();
    // The browser tests of the same run need one, so there is one.
    expect(found && existsSync(found)).toBe(true);
  });

  it('knows no Vulkan driver beside a program that is no browser', () => {
    const vulkan = chromiumVulkan(process.execPath);
    // A Chromium in a well-known folder serves whatever the path; its files exist then.
    expect(vulkan === null || existsSync(vulkan.icd)).toBe(true);
  });
});
