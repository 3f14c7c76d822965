import { InputError } from '../core/errors.ts';
import { type Example, example, type Splits } from '../core/example.ts';
import { canonicalJson, type Fields, type Json } from '../core/json.ts';
import { normalized } from '../core/metric.ts';
import type { Notice } from '../core/notice.ts';
import type { Structure } from '../core/program.ts';
import { type Rng, seededRng } from '../core/rng.ts';
import type { Signature } from '../core/signature.ts';

/** An example, or a row of a single predictor's inputs and labels side by side. */
export type ExampleLike = Example | Fields;

/** Rows as examples of a program; all mistakes at once, each with its place. */
export function readExamples(
  structure: Structure,
  rows: readonly ExampleLike[],
  place: (index: number) => string,
): Example[] {
  const [only, ...others] = Object.values(structure.predictors);
  const mistakes: string[] = [];
  const examples = rows.map((row, index): Example => {
    const read = isExample(row) ? row : only && others.length === 0 ? exampleOf(only, row) : null;
    if (!read)
      mistakes.push(
        `${place(index)}: a program with several predictors takes examples made with example(inputs, labels).`,
      );
    else if (only && others.length === 0)
      mistakes.push(...mistakesOf(only, read).map((mistake) => `${place(index)}: ${mistake}`));
    return read ?? example({});
  });
  if (mistakes.length > 0)
    throw new InputError('rows-invalid', shortened(mistakes), 'Mend these rows, or the signature, and run again.');
  return examples;
}

function isExample(row: ExampleLike): row is Example {
  return typeof row.id === 'string' && typeof row.inputs === 'object' && typeof row.labels === 'object';
}

/** The fields of the signature out of a row; what else stands there does not matter. */
function exampleOf({ inputFields, outputFields }: Signature, row: Fields): Example {
  const pick = (names: readonly { readonly name: string }[]) =>
    Object.fromEntries(
      names.flatMap(({ name }): [string, Json][] => (row[name] === undefined ? [] : [[name, row[name]]])),
    );
  return example(pick(inputFields), pick(outputFields));
}

function mistakesOf(signature: Signature, { inputs, labels }: Example): string[] {
  const given = signature.inputs.safeParse(inputs);
  const expected = signature.outputs.partial().safeParse(labels);
  const issues = [...(given.error?.issues ?? []), ...(expected.error?.issues ?? [])];
  return issues.map(({ path, message }) => {
    const name = String(path[0]);
    const value = inputs[name] ?? labels[name];
    return value === undefined
      ? `"${name}" is missing`
      : `"${name}" is ${JSON.stringify(value).slice(0, 80)}: ${message}`;
  });
}

const shownMistakes = 20;

function shortened(mistakes: readonly string[]): string[] {
  if (mistakes.length <= shownMistakes) return [...mistakes];
  return [...mistakes.slice(0, shownMistakes), `… and ${mistakes.length - shownMistakes} more.`];
}

/** Takes a share of the examples aside, seeded, with the labels in the same proportions (as far as whole examples can). */
export function holdOut(
  examples: readonly Example[],
  ratio: number,
  rng: Rng,
): { readonly kept: Example[]; readonly held: Example[] } {
  const byLabel = grouped(rng.shuffle(examples), ({ labels }) => canonicalJson(labels));
  // Each example's place within its label: taking the lowest places first keeps the proportions.
  const places = [...byLabel.values()].flatMap((group) =>
    group.map((item, index) => ({ item, place: (index + 0.5) / group.length })),
  );
  const count = Math.floor(ratio * examples.length);
  const held = new Set(
    places
      .sort((a, b) => a.place - b.place)
      .slice(0, count)
      .map(({ item }) => item),
  );
  return { kept: examples.filter((item) => !held.has(item)), held: examples.filter((item) => held.has(item)) };
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

export interface SplitRequest {
  readonly train: readonly Example[];
  /** Null: taken from train by `valRatio`; empty: none is wanted. */
  readonly val: readonly Example[] | null;
  /** Null: taken from train by `testRatio`, before val is. */
  readonly test: readonly Example[] | null;
  /** In [0, 1). */
  readonly valRatio: number;
  readonly testRatio: number;
  readonly seed: number;
}

/** The three splits, and what the user should know about them. */
export function makeSplits({ train, val, test, valRatio, testRatio, seed }: SplitRequest): {
  readonly splits: Splits;
  readonly notices: readonly Notice[];
} {
  const hint = 'Add rows, or name the split column and its values.';
  if (train.length === 0) throw new InputError('train-empty', ['The train split has no examples.'], hint);
  for (const [name, ratio] of Object.entries({ val: valRatio, test: testRatio })) {
    if (ratio >= 0 && ratio < 1) continue;
    throw new InputError(
      'split-ratio',
      [`The ${name} ratio is ${ratio}; it is at least 0 and less than 1.`],
      `0 means: no ${name} split.`,
    );
  }
  const rng = seededRng(seed);
  const first = test === null ? holdOut(train, testRatio, rng.fork('test-split')) : { kept: train, held: test };
  const second = val === null ? holdOut(first.kept, valRatio, rng.fork('val-split')) : { kept: first.kept, held: val };
  const splits: Splits = { train: second.kept, val: second.held, test: first.held };
  refuseUnseenLabels(splits);
  return { splits, notices: noticesOf(splits) };
}

/** A label that is asked for but never shown is a typing mistake or a bad split far more often than a wish. */
function refuseUnseenLabels({ train, val, test }: Splits): void {
  const seen = new Map<string, Set<string>>();
  for (const { labels } of train) {
    for (const [name, value] of Object.entries(labels))
      seen.set(name, (seen.get(name) ?? new Set()).add(normalized(value)));
  }
  const mistakes: string[] = [];
  for (const [split, examples] of Object.entries({ val, test })) {
    for (const [name, values] of repeatedLabels(examples)) {
      // Without a single label train is unlabelled on purpose: there are teachers for that.
      if (!seen.has(name)) continue;
      for (const [value, count] of values) {
        if (!seen.get(name)?.has(value))
          mistakes.push(`${name} "${value}" occurs ${count} times in ${split}, but never in train.`);
      }
    }
  }
  if (mistakes.length > 0)
    throw new InputError(
      'label-unseen',
      shortened(mistakes),
      'Mend the label, add train examples with it, or take those rows out.',
    );
}

/** Labels of closed kinds: a field with few different values, most of which repeat. Free answers are not labels in this sense. */
function repeatedLabels(examples: readonly Example[]): Map<string, Map<string, number>> {
  const fields = new Map<string, Map<string, number>>();
  for (const { labels } of examples) {
    for (const [name, value] of Object.entries(labels)) {
      const counts = fields.get(name) ?? new Map<string, number>();
      fields.set(name, counts.set(normalized(value), (counts.get(normalized(value)) ?? 0) + 1));
    }
  }
  return new Map([...fields].filter(([, counts]) => counts.size <= examples.length / 4));
}

function noticesOf({ train, val, test }: Splits): Notice[] {
  const notices: Notice[] = [];
  const total = train.length + val.length;
  if (total < 500) {
    notices.push({
      code: 'few-examples',
      message: `${total} examples to learn from and select on; joint optimization is known to be worth its cost from about 500.`,
    });
  }
  if (train.every(({ labels }) => Object.keys(labels).length === 0)) {
    notices.push({
      code: 'train-unlabelled',
      message:
        'No train example has a label: metrics that compare with labels find nothing right there. A weight step can learn from a teacher (rows: "distilled").',
    });
  }
  if (val.length === 0) {
    notices.push({
      code: 'no-valset',
      message: 'There is no val split: the latest candidate is returned, not the best, and steps cannot be compared.',
    });
  }
  if (test.length === 0) {
    notices.push({
      code: 'no-testset',
      message: 'There is no test split: val scores are the only ones, and they flatter what was selected on them.',
    });
  }
  return notices;
}
