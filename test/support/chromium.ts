import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const known = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
];

const program = known.find((path) => existsSync(path));

/** Why there is no browser to test in; null where there is one. */
export const noChromium: string | null =
  program === undefined ? `no Chromium at ${known.join(', ')}: apt-get install chromium` : null;

export const openChromium = (): Promise<Browser> =>
  // Chromium refuses its sandbox to root, which is who a container runs as.
  chromium.launch({ executablePath: program!, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });

/** A page of a file on disk, without a network, and everything that it did beside being shown. */
export interface OpenedFile {
  readonly page: Page;
  readonly requests: readonly string[];
  readonly complaints: readonly string[];
}

export async function openFile(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenedFile> {
  const context = await browser.newContext({ offline: true, viewport: { width: 1180, height: 900 }, ...options });
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => complaints.push(dialog.message()));
  await page.goto(url);
  return { page, requests, complaints };
}
