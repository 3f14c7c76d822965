import { expect, test } from 'vitest';
import type { Candidate } from '../../src/core/candidate.ts';
import type { CandidateSummary, RunSummary, ScoreInterval } from '../../src/core/summary.ts';
import { scoreText, summaryText } from '../../src/report/summary-text.ts';
import { budgetState } from '../../src/run/budget-limits.ts';

const candidate: Candidate = { predictors: {} };
const score = (mean: number, n = 100): ScoreInterval => ({ mean, low: mean - 0.05, high: mean + 0.05, n });
const tried = (strategy: string, val: number | null, test: number | null): CandidateSummary => ({
  strategy,
  candidate,
  val: val === null ? null : score(val),
  test: test === null ? null : score(test, 200),
  failures: 0,
});

const summaryOf = (
  candidates: readonly CandidateSummary[],
  chosen: string,
  rest: Partial<RunSummary> = {},
): RunSummary => ({
  run: 'r',
  digest: 'd',
  seed: 0,
  strategy: 'p -> w',
  candidates,
  chosen: { strategy: chosen, candidate },
  flagCompilationErrorOccurred: false,
  dataSets: [],
  calls: { requested: 12345, made: 300, remembered: 12045 },
  tokens: { prompt: 1000000, cachedPrompt: 900000, completion: 5000 },
  constraint: { forks: 400, overruled: 20 },
  seconds: 61.25,
  budget: budgetState({}),
  modelSwitches: 0,
  networkAttempts: 0,
  reproducible: 'bytes',
  starts: [{ number: 1, calls: 300, seconds: 61.25, endedBy: 'done' }],
  notices: [],
  ...rest,
});

const better = [tried('', 0.5, 0.5), tried('p', 0.6, null), tried('p -> w', 0.8, 0.75)];

/** What is said below the table. */
const said = (summary: RunSummary): readonly string[] => {
  const lines = summaryText(summary).split('\n');
  return lines.slice(lines.findLastIndex((line) => line.startsWith('└')) + 1);
};

/** The cells of the table, row by row. */
const cells = (summary: RunSummary): string[][] =>
  summaryText(summary)
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

test('a score is in per cent, with its interval and its number of examples', () => {
  expect(scoreText({ mean: 0.8125, low: 0.7, high: 0.9999, n: 16 })).toBe('81.3 [70.0, 100.0] n 16');
});

test('no score is a dash', () => {
  expect(scoreText(null)).toBe('-');
});

test('the table has a row for each candidate, and marks the chosen one', () => {
  expect(cells(summaryOf(better, 'p -> w'))).toEqual([
    ['strategy', 'val [95 %]', 'sealed test [95 %]', 'failures', ''],
    ['baseline', '50.0 [45.0, 55.0] n 100', '50.0 [45.0, 55.0] n 200', '0', ''],
    ['p', '60.0 [55.0, 65.0] n 100', 'sealed', '0', ''],
    ['p -> w', '80.0 [75.0, 85.0] n 100', '75.0 [70.0, 80.0] n 200', '0', '<- chosen'],
  ]);
});

test('without a val split there is no column for it', () => {
  const [head] = cells(summaryOf([tried('', null, 0.5), tried('p', null, 0.6)], 'p'));
  expect(head).toEqual(['strategy', 'sealed test [95 %]', 'failures', '']);
});

test('a gain is said in points, and whether the intervals are apart', () => {
  expect(said(summaryOf(better, 'p -> w'))[0]).toBe(
    'On the sealed test "p -> w" gains 25.0 points over the baseline; the intervals are apart.',
  );
});

test('a gain within the intervals is said to be one', () => {
  const close = [tried('', 0.5, 0.5), tried('p', 0.6, 0.52)];
  expect(said(summaryOf(close, 'p'))[0]).toBe(
    'On the sealed test "p" gains 2.0 points over the baseline, but the intervals overlap.',
  );
});

test('a loss on the sealed test is said to be one', () => {
  const worse = [tried('', 0.5, 0.5), tried('p', 0.6, 0.3)];
  expect(said(summaryOf(worse, 'p'))[0]).toBe(
    'On the sealed test "p" loses 20.0 points against the baseline; the intervals are apart.',
  );
});

test('a last step that did not help is said not to', () => {
  const [verdict] = said(summaryOf([tried('', 0.5, 0.5), tried('p', 0.8, 0.75), tried('p -> w', 0.7, null)], 'p'));
  expect(verdict).toContain('"p -> w" is not better than "p" on val.');
});

test('without a val split nothing is said about val', () => {
  const [verdict] = said(summaryOf([tried('', null, null), tried('p', null, null)], 'p'));
  expect(verdict).toBe('');
});

test('a baseline that won is said to have won', () => {
  expect(said(summaryOf([tried('', 0.5, 0.5), tried('p', 0.4, null)], ''))[0]).toBe(
    'No step was better than the baseline on val: the program is returned as it was. "p" is not better than the baseline on val.',
  );
});

test('a program that no step changed, without a val split, is said to be as it was', () => {
  expect(said(summaryOf([tried('', null, null)], ''))[0]).toBe('The program is returned as it was.');
});

test('a failed step is said to have failed', () => {
  expect(said(summaryOf(better, 'p -> w', { flagCompilationErrorOccurred: true }))[0]).toContain(
    'At least one step failed; "better-together show RUN" says why.',
  );
});

test('a test split that was opened for every candidate is marked as exploratory', () => {
  const opened = summaryOf([tried('', 0.5, 0.5), tried('p', 0.6, 0.55), tried('p -> w', 0.8, 0.75)], 'p -> w');
  expect(cells(opened)[0]).toContain('sealed test [95 %] *');
  expect(said(opened)[0]).toBe(
    '* exploratory: opening the test split for every candidate makes it a second val split.',
  );
});

test('calls, tokens and time are told', () => {
  expect(said(summaryOf(better, 'p -> w')).slice(-4)).toEqual([
    'calls: 12,345 requested, 300 made, 12,045 remembered',
    'tokens: 1,000,000 prompt (900,000 of them cached), 5,000 completion',
    "grammar: at 20 of 400 labels' forks and sampled tokens the model would have written something else",
    'time: 61.3 s in 1 start; repeats byte for byte',
  ]);
});

test('a run of several starts that only repeats by replaying says so', () => {
  const start = { number: 1, calls: 1, seconds: 1, endedBy: null };
  const replayed = summaryOf(better, 'p -> w', { reproducible: 'replay', starts: [start, { ...start, number: 2 }] });
  expect(said(replayed).at(-1)).toBe('time: 61.3 s in 2 starts; repeats by replaying what is remembered');
});

test('notices stand at the end', () => {
  const noted = summaryOf(better, 'p -> w', { notices: [{ code: 'few-examples', message: 'There are few.' }] });
  expect(said(noted).at(-1)).toBe('Note: There are few.');
});

test('there is no color in it', () => {
  expect(summaryText(summaryOf(better, 'p -> w'))).not.toContain('\u001b');
});

test('a run that was stored before there were budgets is shown all the same', () => {
  const { budget: _, ...old } = summaryOf(better, 'p -> w');
  expect(summaryText(old)).not.toContain('budget of the steps');
});
