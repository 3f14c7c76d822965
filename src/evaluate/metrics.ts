import type { Fields, Json } from '../core/json.ts';
import { type Metric, normalized } from '../core/metric.ts';

// The metrics that need no code. Each compares the labelled outputs, or only the one that is named; an example without that label is a
// mistake of the data: it makes the metric throw, where a score would be a lie.

/** Right when every labelled output equals its label after trimming, case and Unicode folding. */
export function exactMatch(field?: string): Metric {
  return named('exact-match', field, ({ labels }, prediction) => {
    const wrong = compared('exact-match', labels, field).filter(
      (name) => normalized(prediction[name]) !== normalized(labels[name]),
    );
    if (wrong.length === 0) return { score: 1 };
    return { score: 0, feedback: wrong.map((name) => `${name} should be ${JSON.stringify(labels[name])}.`).join(' ') };
  });
}

/** Right when every labelled output contains its label, after the same folding. */
export function contains(field?: string): Metric {
  return named('contains', field, ({ labels }, prediction) =>
    compared('contains', labels, field).every((name) =>
      normalized(prediction[name]).includes(normalized(labels[name])),
    ),
  );
}

/** Mean over the labelled outputs of the F1 of their words, as SQuAD counts them: without punctuation and English articles. */
export function f1(field?: string): Metric {
  return named('f1', field, ({ labels }, prediction) => {
    const names = compared('f1', labels, field);
    return names.reduce((sum, name) => sum + wordF1(words(prediction[name]), words(labels[name])), 0) / names.length;
  });
}

/** Right when the last number in every labelled output equals the last number in its label, up to rounding of doubles. */
export function numericMatch(field?: string): Metric {
  return named('numeric-match', field, ({ labels }, prediction) =>
    compared('numeric-match', labels, field).every((name) => {
      const [got, wanted] = [lastNumber(prediction[name]), lastNumber(labels[name])];
      return got !== null && wanted !== null && Math.abs(got - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));
    }),
  );
}

/** By the names that the command line knows. */
export const builtInMetrics: Readonly<Record<string, (field?: string) => Metric>> = {
  'exact-match': exactMatch,
  contains,
  f1,
  'numeric-match': numericMatch,
};

/** A function's name is part of a run's identity, so that two metrics of one kind on different fields are two metrics. */
function named(kind: string, field: string | undefined, metric: Metric): Metric {
  return Object.defineProperty(metric, 'name', { value: field === undefined ? kind : `${kind}(${field})` });
}

function compared(kind: string, labels: Fields, field: string | undefined): string[] {
  const names = field === undefined ? Object.keys(labels) : [field];
  if (names.length === 0) throw new Error(`${kind} compares with labels, and this example has none.`);
  if (field !== undefined && labels[field] === undefined)
    throw new Error(`${kind} compares with the label "${field}", and this example has none.`);
  return names;
}

function words(value: Json | undefined): string[] {
  const plain = normalized(value).replaceAll(/[^\p{L}\p{M}\p{N}\s]/gu, '');
  return plain.split(/\s+/).filter((word) => word !== '' && !['a', 'an', 'the'].includes(word));
}

function wordF1(got: readonly string[], wanted: readonly string[]): number {
  if (got.length === 0 || wanted.length === 0) return Number(got.length === wanted.length);
  const left = [...wanted];
  const common = got.filter((word) => {
    const index = left.indexOf(word);
    if (index >= 0) left.splice(index, 1);
    return index >= 0;
  }).length;
  return (2 * common) / (got.length + wanted.length);
}

function lastNumber(value: Json | undefined): number | null {
  const found = normalized(value)
    .replaceAll(/(?<=\d),(?=\d{3})/g, '')
    .match(/-?(?:\d+(?:\.\d+)?|(?<!\w)\.\d+)(?:e[+-]?\d+)?/g);
  return found ? Number(found.at(-1)) : null;
}
