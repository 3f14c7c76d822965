import { afterAll, beforeAll, expect, test } from 'vitest';
import { reportStatistics } from '../../src/cli/report-statistics.ts';
import { shortId } from '../../src/core/json.ts';
import type { Store } from '../../src/core/store.ts';
import { comparisonText } from '../../src/report/comparison-text.ts';
import { comparisonPage } from '../../src/report/html/comparison-page.ts';
import { compareRuns } from '../../src/report/run-comparison.ts';
import type { RunReport } from '../../src/report/run-report.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { reportedRun, reportOf } from '../support/reported-run.ts';

let store: Store;
let prompts: RunReport;
let both: RunReport;
let elsewhere: RunReport;
beforeAll(async () => {
  store = memoryStore();
  prompts = reportOf(store, await reportedRun(store, { strategy: 'p' }));
  both = reportOf(store, await reportedRun(store));
  elsewhere = reportOf(store, await reportedRun(store, { strategy: 'p', padding: 'Other data. ' }));
});
afterAll(() => store.close());

const compare = (...reports: RunReport[]) => compareRuns(reports, reportStatistics);

test('what the experiments differ in comes first, and nothing that is equal', () => {
  expect(compare(prompts, both).differences).toEqual([{ name: 'strategy', values: ['p', 'p -> w -> p'] }]);
});

test('runs are tested against the first on the sealed test examples that both were measured on', () => {
  const [pair] = compare(prompts, both).pairs;
  expect(pair).toMatchObject({ run: both.run.id, split: 'test', shared: 20, paired: { won: 8, lost: 0 } });
  expect(pair?.paired?.difference.mean).toBeCloseTo(0.4);
});

test('without a test in common they are tested on val', () => {
  const untested: RunReport = { ...both, rows: (split, id) => (split === 'test' ? [] : both.rows(split, id)) };
  expect(compare(prompts, untested).pairs).toMatchObject([{ split: 'val', shared: 20, paired: { won: 8, lost: 0 } }]);
});

test('runs without a common example are not tested, and it is said', () => {
  const comparison = compare(prompts, elsewhere);
  expect(comparison.pairs).toEqual([{ run: elsewhere.run.id, split: null, shared: 0, paired: null, flips: [] }]);
  expect(comparisonText(comparison)).toContain('no example was measured in both, so nothing can be said.');
});

test('the text has configuration, results and the test, in this order', () => {
  const text = comparisonText(compare(prompts, both));
  const [one, other] = [prompts, both].map(({ run }) => shortId(run.id));
  const places = [
    /strategy +│ p +│ p -> w -> p/,
    new RegExp(`${one} +│ p +│ 50\\.0 .*│ 50\\.0`),
    new RegExp(`${other} +│ p -> w -> p +│ 90\\.0`),
    new RegExp(`${other} against ${one}, on 20 shared examples of the sealed test: \\+40\\.0 .* 8 won, 0 lost`),
  ].map((words) => text.search(words));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test('the page has the examples on which the runs differ, with what each answered', () => {
  const page = comparisonPage([prompts, both], compare(prompts, both));
  expect(page.match(/<article class="flip"/g)).toHaveLength(8);
  expect(page.match(/&quot;kind&quot;: &quot;(?:odd|even)&quot;/g)).toHaveLength(16);
});
