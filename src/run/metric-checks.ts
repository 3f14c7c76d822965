import type { Fields } from '../core/json.ts';
import { type Evaluation, type Metric, type Row, toScore } from '../core/metric.ts';
import type { Notice } from '../core/notice.ts';

/** So many rows say what a metric is like; metrics may be slow. */
const most = 16;
/** Fewer equal scores are chance. */
const least = 5;

/** What is odd about a metric, as far as the baseline's rows can show: no model is asked. */
export async function checkMetric(metric: Metric, { rows, mean }: Evaluation): Promise<Notice[]> {
  const scored = rows.filter(({ outputs, failure }) => outputs !== null && failure === null);
  const some = scored.slice(0, most);
  const thrown = thrownBy(rows);
  const inconstancy = await inconstancyOf(metric, some);
  const flatness = scored.length < least || mean === null ? [] : await flatnessOf(metric, scored, some);
  return [...thrown, ...inconstancy, ...flatness];
}

function thrownBy(rows: readonly Row[]): Notice[] {
  const failed = rows.filter(({ failure }) => failure?.kind === 'metric-error');
  const [first] = failed;
  if (!first) return [];
  const message = `The metric threw at ${failed.length} of ${rows.length} baseline rows, each a score of 0. The first time: ${first.failure?.message} Let it return a score for every prediction, or mend those rows.`;
  return [{ code: 'metric-throws', message }];
}

/** A metric is a function of its arguments: called again it says the same, whatever it was called with in between. */
async function inconstancyOf(metric: Metric, rows: readonly Row[]): Promise<Notice[]> {
  const inOrder = async () => scoresOf(metric, rows);
  // The first round is for what a metric remembers of the row before: it begins every later one with the same.
  await inOrder();
  const [once, again] = [await inOrder(), await inOrder()];
  if (!isEqual(once, again)) {
    const message =
      'The metric gives the same prediction different scores: it draws lots, counts its calls or reads the clock. Make it a function of its arguments; else no comparison means anything, and the run cannot be resumed.';
    return [{ code: 'metric-unstable', message }];
  }
  const backwards = (await scoresOf(metric, rows.toReversed())).toReversed();
  if (isEqual(once, backwards)) return [];
  const message =
    'The scores of the metric depend on the order of its calls: it keeps something from one to the next. Make it a function of its arguments; rows are scored in no fixed order.';
  return [{ code: 'metric-order', message }];
}

/** All scores are equal: is it the metric, or is the task too easy or too hard? */
async function flatnessOf(metric: Metric, scored: readonly Row[], some: readonly Row[]): Promise<Notice[]> {
  const value = scored[0]!.score.value;
  if (scored.some(({ score }) => score.value !== value)) return [];
  const others = some.map((row, index) => ({ ...row, outputs: some[(index + 1) % some.length]!.outputs }));
  const right = some.filter(({ example }) => Object.keys(example.labels).length > 0);
  const labelled = right.map((row): Row => ({ ...row, outputs: { ...row.outputs, ...row.example.labels } }));
  const elsewhere = [...(await scoresOf(metric, others)), ...(await scoresOf(metric, labelled))];
  if (elsewhere.every((score) => score === value || score === null)) {
    const message = `The metric gives ${value} to every prediction, to those of other rows and to the labels themselves: it does not look at what it judges. Compare the prediction's fields with the labels by their names.`;
    return [{ code: 'metric-constant', message }];
  }
  if (value >= 1) {
    const message =
      'The baseline has the full score on every row: there is nothing left to gain. Use harder rows, or a metric that sees more.';
    return [{ code: 'metric-saturated', message }];
  }
  if (value > 0) return [];
  const message =
    'The baseline scores 0 on every row, so that no step can tell better from worse. Look at its answers (better-together show), ease the task, or give credit for parts.';
  return [{ code: 'metric-saturated', message }];
}

/** Null where it throws. */
async function scoresOf(metric: Metric, rows: readonly Row[]): Promise<(number | null)[]> {
  const scores: (number | null)[] = [];
  for (const { example, outputs, trace } of rows) scores.push(await scoreOf(metric, example, outputs ?? {}, trace));
  return scores;
}

async function scoreOf(metric: Metric, { inputs, labels }: Row['example'], outputs: Fields, trace: Row['trace']) {
  try {
    return toScore(await metric({ inputs, labels }, outputs, trace)).value;
  } catch {
    // Where it throws at predictions of the baseline that has been counted; what it makes of made-up ones is its own business.
    return null;
  }
}

const isEqual = (a: readonly (number | null)[], b: readonly (number | null)[]): boolean =>
  a.every((score, index) => score === b[index]);
