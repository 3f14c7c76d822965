import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Store, StoredRun } from '../../src/core/store.ts';
import type { RunReport } from '../../src/report/run-report.ts';
import { memoryStore } from '../../src/store/sqlite-store.ts';
import { reportedRun, reportOf } from '../support/reported-run.ts';

let store: Store;
let run: StoredRun;
let report: RunReport;
beforeAll(async () => {
  store = memoryStore();
  run = await reportedRun(store);
  report = reportOf(store, run);
});
afterAll(() => store.close());

test('the path has the baseline and every step with its scores, and what it has over its start', () => {
  const points = report.path.map(({ strategy, val, test, isChosen, onVal }) => [
    strategy,
    val?.mean,
    test?.mean,
    isChosen,
    onVal?.paired && [onVal.paired.difference.mean, onVal.paired.won, onVal.paired.lost],
  ]);
  expect(points).toEqual([
    ['', 0.3, 0.3, false, undefined],
    ['p', 0.5, undefined, false, [0.2, 4, 0]],
    ['p -> w', 0.8, undefined, false, [expect.closeTo(0.3), 6, 0]],
    ['p -> w -> p', 0.9, 0.9, true, [expect.closeTo(0.1), 2, 0]],
  ]);
  expect(report.path.at(-1)?.onTest).toMatchObject({ shared: 20, paired: { won: 12, lost: 0 } });
});

test('every candidate is there once, the baseline first, with the score that it has on val', () => {
  expect(report.candidates[0]).toMatchObject({ number: 0, note: 'baseline', val: { mean: 0.3, n: 20 } });
  expect(new Set(report.candidates.map(({ id }) => id)).size).toBe(report.candidates.length);
  const results = report.path.map(({ candidate }) => candidate);
  expect(results.filter((id) => !report.candidates.some((one) => one.id === id))).toEqual([]);
});

test('what each part cost adds up to what the run made', () => {
  expect(report.costs.map(({ part }) => part)).toEqual(['baseline', '1: p', '2: w', '3: p', 'sealed test']);
  const { made, promptTokens, completionTokens } = store.callTotals(run.id);
  const sum = (name: 'calls' | 'promptTokens' | 'completionTokens') =>
    report.costs.reduce((total, cost) => total + cost[name], 0);
  expect([sum('calls'), sum('promptTokens'), sum('completionTokens')]).toEqual([made, promptTokens, completionTokens]);
  expect(report.costs.find(({ part }) => part === 'sealed test')).toMatchObject({ evaluated: 40 });
});

test('a flip has the example and both answers, from memory', () => {
  const [, , weights] = report.path;
  const [flip] = weights?.onVal?.flips ?? [];
  const example = report.example(flip!.example)!;
  const answers = [weights!.from!, weights!.candidate].map((id) => {
    const { candidate } = report.candidates.find((one) => one.id === id)!;
    const response = report.answers(candidate, example)!;
    return response.failure ?? JSON.parse(response.pieces.join('')).kind;
  });
  const right = example.labels.kind;
  expect([flip!.before, flip!.after, answers]).toEqual([0, 1, [right === 'odd' ? 'even' : 'odd', right]]);
});

test('a training has its losses and what it learned from', () => {
  const [training] = report.trainings;
  expect(training?.stored?.losses.map(({ loss }) => loss)).toEqual([3, 1.5, 0.5]);
  expect(training?.dataSet).toMatchObject({ step: 2, key: 'w' });
  expect(training?.gates.map(({ passed }) => passed)).not.toContain(false);
});

test('a run that is not finished has as much of a report as there is of it', () => {
  const events = store.events(run.id);
  const early = { ...store, events: () => events.slice(0, 4), summary: () => undefined };
  const { path, summary, candidates } = reportOf(early, run);
  expect([path.map(({ strategy }) => strategy), summary, candidates[0]?.note]).toEqual([[''], null, 'baseline']);
});
