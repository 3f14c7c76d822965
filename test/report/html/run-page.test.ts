import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runPage } from '../../../src/report/html/run-page.ts';
import { memoryStore } from '../../../src/store/sqlite-store.ts';
import { noChromium, type OpenedFile, openChromium, openFile } from '../../support/chromium.ts';
import { reportedRun, reportOf } from '../../support/reported-run.ts';

if (noChromium) console.warn(`The report is not tested in a browser: ${noChromium}`);

let folder: string;
let file: string;
let url: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-report-'));
  const store = memoryStore();
  file = join(folder, 'report.html');
  url = pathToFileURL(file).href;
  writeFileSync(file, runPage(reportOf(store, await reportedRun(store)), '/work/it\'s "here"/program.json'));
  store.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

test('names no other place than itself', () => {
  expect(readFileSync(file, 'utf8').match(/\b(?:src|href|action)="(?!#)[^"]*"|@import|url\(|https?:/g)).toBeNull();
});

test('stays under 2 MB for 5,000 calls', async () => {
  const store = memoryStore();
  const padding = 'I ordered three of them a week ago and nobody has told me where they are. '.repeat(3);
  const run = await reportedRun(store, { train: 200, val: 200, test: 600, candidates: 20, padding, seed: 1 });
  const page = runPage(reportOf(store, run), null);
  expect(store.callTotals(run.id).made).toBeGreaterThan(5_000);
  expect(Buffer.byteLength(page)).toBeLessThan(2_000_000);
  store.close();
});

describe.skipIf(noChromium)('in Chromium, from disk and without a network,', () => {
  let browser: Browser;
  let opened: OpenedFile;
  beforeAll(async () => {
    browser = await openChromium();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    // Whatever was done: nothing was loaded, nothing went wrong, and no text of the run was taken for markup.
    expect([opened.requests, opened.complaints]).toEqual([[url], []]);
    expect(await opened.page.evaluate(`'broken' in globalThis`)).toBe(false);
    expect(await opened.page.locator('[onclick], [onerror], main img').count()).toBe(0);
    await opened.page.context().close();
  });
  const open = async (options: Parameters<typeof openFile>[2] = {}): Promise<Page> => {
    opened = await openFile(browser, url, options);
    return opened.page;
  };
  const background = (page: Page) => page.evaluate('getComputedStyle(document.body).backgroundColor');

  test('every link leads to a place that is there, and opens it', async () => {
    const page = await open();
    const links = await page.locator('a').all();
    expect(links.length).toBeGreaterThan(20);
    for (const target of new Set(await Promise.all(links.map((link) => link.getAttribute('href'))))) {
      await page.locator(`a[href="${target}"]`).first().dispatchEvent('click');
      const place = page.locator(target!);
      if (target?.startsWith('#candidate-')) await expect.poll(() => place.getAttribute('open')).toBe('');
      expect(await place.isVisible()).toBe(true);
    }
  });

  test('the examples are searched by text, step and outcome', async () => {
    const page = await open();
    const shown = async () => [await page.locator('.flip:visible').count(), await page.locator('output').textContent()];
    expect(await shown()).toEqual([24, '24 of 24 shown']);
    await page.getByRole('combobox', { name: 'Step' }).selectOption('step 2 (w)');
    expect(await shown()).toEqual([6, '6 of 24 shown']);
    await page.getByRole('combobox', { name: 'Outcome' }).selectOption('lost');
    expect(await shown()).toEqual([0, '0 of 24 shown']);
    await page.getByRole('combobox', { name: 'Outcome' }).selectOption('won');
    await page.getByRole('searchbox', { name: 'Search' }).fill('1015');
    expect(await shown()).toEqual([1, '1 of 24 shown']);
    await page.getByRole('searchbox', { name: 'Search' }).press('Enter');
    expect(await page.locator('.flip:visible .sides').textContent()).toMatch(/"even".*[\s\S]*"odd"/);
  });

  test('the candidates are sorted by a column, down and up', async () => {
    const page = await open();
    const scores = async () =>
      (await page.locator('table[data-sortable] tbody td:nth-child(5)').allTextContents()).map(Number);
    const button = page.getByRole('button', { name: 'val' });
    await button.click();
    const down = await scores();
    expect(down).toEqual(down.toSorted((a, b) => b - a));
    await button.click();
    expect(await scores()).toEqual(down.toSorted((a, b) => a - b));
    expect(await page.locator('th[aria-sort=ascending]').count()).toBe(1);
  });

  test('the theme follows the system, or the button', async () => {
    const page = await open({ colorScheme: 'dark' });
    const button = page.getByRole('button', { name: 'Theme' });
    const seen = [await background(page)];
    for (const _ of ['light', 'dark', 'auto']) {
      await button.click();
      seen.push(await background(page));
    }
    const [dark, light] = ['rgb(15, 20, 25)', 'rgb(255, 255, 255)'];
    expect([seen, await button.textContent()]).toEqual([[dark, light, dark, dark], 'Theme: auto']);
  });

  test('on paper it is black on white, with everything open', async () => {
    const page = await open({ colorScheme: 'dark' });
    const closed = page.locator('details:not([open])');
    const before = await closed.count();
    await page.emulateMedia({ media: 'print' });
    await page.evaluate(`dispatchEvent(new Event('beforeprint'))`);
    expect([await closed.count(), await background(page), await page.locator('nav').isVisible()]).toEqual([
      0,
      'rgb(255, 255, 255)',
      false,
    ]);
    await page.evaluate(`dispatchEvent(new Event('afterprint'))`);
    expect([before > 0, await closed.count()]).toEqual([true, before]);
  });

  test('everything opens and closes at once', async () => {
    const page = await open();
    const [all, closed] = [await page.locator('details').count(), page.locator('details:not([open])')];
    await page.getByRole('button', { name: 'Open all' }).click();
    expect(await closed.count()).toBe(0);
    await page.getByRole('button', { name: 'Close all' }).click();
    expect(await closed.count()).toBe(all);
  });

  test('the keyboard reaches every control, beginning with a way past the links', async () => {
    const page = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('To the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
    const tags = new Set<string>();
    for (let press = 0; press < 60; press++) {
      await page.keyboard.press('Tab');
      tags.add(await page.evaluate<string>('document.activeElement.tagName'));
    }
    for (const tag of ['A', 'BUTTON', 'SUMMARY', 'INPUT', 'SELECT']) expect([...tags]).toContain(tag);
    await page.locator('summary').first().focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('details').first().getAttribute('open')).toBe('');
  });

  test.each(['light', 'dark'] as const)('axe finds nothing to object to in the %s theme', async (colorScheme) => {
    const page = await open({ colorScheme });
    await page.getByRole('button', { name: 'Open all' }).click();
    // Through the debugger, which the page's own policy does not bind.
    await page.evaluate(axe.source);
    const found = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))',
    );
    expect(found).toEqual([]);
  });

  test('nothing is wider than a narrow screen', async () => {
    const page = await open({ viewport: { width: 360, height: 640 } });
    await page.getByRole('button', { name: 'Open all' }).click();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });

  test('without scripts everything is there to read', async () => {
    opened = await openFile(browser, url, { javaScriptEnabled: false });
    expect(await opened.page.locator('.flip').count()).toBe(24);
    expect(await opened.page.locator('form, button').filter({ visible: true }).count()).toBe(0);
  });
});
