import { expect, test } from 'vitest';
import { example } from '../../src/core/example.ts';
import { evaluationOf, type Metric, type Row } from '../../src/core/metric.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { checkMetric } from '../../src/run/metric-checks.ts';

/** Ten baseline rows that say "even" or "odd", of which the first `right` are right. */
const baseline = (right: number, score = (isRight: boolean) => Number(isRight)) =>
  evaluationOf(
    'candidate',
    Array.from({ length: 10 }, (_, index): Row => {
      const kind = index % 2 === 0 ? 'even' : 'odd';
      const isRight = index < right;
      const said = isRight ? kind : kind === 'odd' ? 'even' : 'odd';
      return {
        example: example({ number: index }, { kind }),
        outputs: { kind: said },
        trace: [],
        score: { value: score(isRight) },
        failure: null,
      };
    }),
  );

const codesOf = async (metric: Metric, rows = baseline(6)) => (await checkMetric(metric, rows)).map(({ code }) => code);

test('finds nothing odd about a metric that compares', async () => {
  expect(await codesOf(exactMatch())).toEqual([]);
});

test('names a metric that gives every prediction the same', async () => {
  expect(
    await codesOf(
      () => 0.5,
      baseline(6, () => 0.5),
    ),
  ).toEqual(['metric-constant']);
});

test('names a metric that finds no prediction right, the labels neither', async () => {
  const misspelt: Metric = ({ labels }, outputs) => labels.kind === outputs.kin;
  expect(await codesOf(misspelt, baseline(0))).toEqual(['metric-constant']);
});

test.each([
  ['all', 10],
  ['none', 0],
])('tells a baseline that has %s right from a metric that does not look', async (_, right) => {
  expect(await codesOf(exactMatch(), baseline(right))).toEqual(['metric-saturated']);
});

test('names a metric that counts its calls', async () => {
  let calls = 0;
  expect(await codesOf(() => (calls++ % 3) / 3)).toEqual(['metric-unstable']);
});

test('names a metric that compares with the row before', async () => {
  let before: unknown = null;
  const metric: Metric = (_, outputs) => {
    const isNew = outputs.kind !== before;
    before = outputs.kind;
    return isNew;
  };
  expect(await codesOf(metric, baseline(3))).toEqual(['metric-order']);
});

test('says how often a metric throws, and what', async () => {
  const { rows } = baseline(6);
  const failure = { kind: 'metric-error' as const, message: 'TypeError: kind is undefined.' };
  const failed = evaluationOf(
    'candidate',
    rows.map((row, index) => (index < 2 ? { ...row, score: { value: 0 }, failure } : row)),
  );
  const [notice, ...others] = await checkMetric(exactMatch(), failed);
  expect(notice?.message).toContain('threw at 2 of 10 baseline rows');
  expect(notice?.message).toContain('TypeError: kind is undefined.');
  expect(others).toEqual([]);
});
