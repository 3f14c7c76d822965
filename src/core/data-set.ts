import type { Prompt, TextRow } from './lm.ts';
import type { LearnedRow } from './trainer.ts';

/** One answered call that the model is to learn, in the prompt it will be served with, and where it comes from. */
export interface TrainingRow extends TextRow {
  readonly pieces: readonly string[];
  readonly predictor: string;
  /** Id of the train example. */
  readonly example: string;
  readonly from: 'bootstrapped' | 'labelled' | 'distilled';
  /** What its outputs with a closed set of labels are; null where there is none. */
  readonly label: string | null;
  /** Not learned: its loss says how training goes on. */
  readonly heldOut?: true;
  /** Of a pair, the pieces of the answer that `pieces` are to gain on. */
  readonly rejected?: readonly string[];
}

/** A row as it is trained: the loss is on `completionIds`, of a pair on `rejectedIds` too, and on nothing else. */
export interface DataSetRow extends LearnedRow, Omit<TrainingRow, 'given'> {
  readonly prompt: Prompt;
  /** How many of the first pieces stand in `promptIds`: there is nothing in them to learn. */
  readonly given: number;
  /** The text of each token of prompt and completion, made from the ids. Of several tokens that make one character, the last has it. */
  readonly texts: readonly string[];
  /** The same of the rejected answer alone. */
  readonly rejectedTexts?: readonly string[];
}

/** What an adapter is trained on, in order. Its id is the hash of its content. */
export interface DataSet {
  /** sha256 of the model that the token ids belong to. */
  readonly base: string;
  readonly rows: readonly DataSetRow[];
}

/**
 * How much was left out, and why. Of attempts: `notGoodEnough` failed or scored too low, `notBest` were good, but another one at the same
 * example was kept. Of examples: `notLabelled` had no good attempt, where one was asked for, and not every label. Of answers: `unpaired` have no failed one beside them, where pairs are learned. Of rows: `duplicates` are
 * equal to another one, `unbalanced` are of a label that has more rows than the rarest, `surplus` are over the most that may be
 * taken, `overLength` have more tokens than a row may have, `tooLong` do not fit the model's context.
 */
export type Dropped = { readonly [reason in keyof typeof dropReasons]?: number };

const dropReasons = {
  notGoodEnough: 'attempts not good enough',
  notBest: 'good attempts beside the best',
  notLabelled: 'examples without all labels',
  unpaired: 'answers without a failed one beside them',
  duplicates: 'rows equal to another',
  unbalanced: 'rows of labels that have more than the rarest',
  surplus: 'rows over the most that are taken',
  overLength: 'rows over the most tokens that a row may have',
  tooLong: 'rows too long for the context',
};

/** What was left out, in words; empty when that is nothing. */
export const droppedText = (dropped: Dropped): string =>
  // `as`: the keys of a literal.
  (Object.keys(dropReasons) as (keyof typeof dropReasons)[])
    .filter((reason) => (dropped[reason] ?? 0) > 0)
    .map((reason) => `${dropReasons[reason]}: ${dropped[reason]}`)
    .join(', ');

export interface Spread {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** A data set in figures, which are about the rows that are learned. */
export interface DataSetSummary {
  readonly rows: number;
  /** How many of them are pairs; there where any are. */
  readonly pairs?: number;
  /** How many more are held out; not there in runs from before that could be. */
  readonly heldOut?: number;
  /** `distilled` is there where any are. */
  readonly from: { readonly bootstrapped: number; readonly labelled: number; readonly distilled?: number };
  /** Of prompts and answers. */
  readonly tokens: number;
  readonly supervisedTokens: number;
  /** Tokens of a row. */
  readonly lengths: Spread;
  readonly supervisedPerRow: Spread;
  /** Rows of each predictor, and of each of its labels. */
  readonly predictors: {
    readonly [predictor: string]: { readonly rows: number; readonly labels: { readonly [label: string]: number } };
  };
  readonly dropped: Dropped;
}

/** What the tokens of a row say. */
export type RowTexts = Pick<DataSetRow, 'texts' | 'rejectedTexts'>;

/** The order's rows as they are trained; `rows` and `texts` are in their order. */
export const dataSetOf = (
  base: string,
  given: readonly TrainingRow[],
  rows: readonly LearnedRow[],
  texts: readonly RowTexts[],
): DataSet => ({
  base,
  rows: given.map((row, index) => ({ ...row, given: row.given ?? 0, ...rows[index]!, ...texts[index]! })),
});

export function summaryOfDataSet(dataSet: DataSet, dropped: Dropped): DataSetSummary {
  const rows = dataSet.rows.filter(({ heldOut }) => !heldOut);
  const supervised = rows.map(({ completionIds, rejectedIds = [] }) => completionIds.length + rejectedIds.length);
  const lengths = rows.map(({ promptIds }, index) => promptIds.length + supervised[index]!);
  const count = (source: DataSetRow['from']) => rows.filter(({ from }) => from === source).length;
  const distilled = count('distilled');
  const predictors = [...new Set(rows.map(({ predictor }) => predictor))].map((name) => {
    const own = rows.filter(({ predictor }) => predictor === name);
    return [name, { rows: own.length, labels: labelCounts(own) }];
  });
  const pairs = rows.filter(({ rejectedIds }) => rejectedIds).length;
  return {
    rows: rows.length,
    ...(pairs > 0 ? { pairs } : {}),
    heldOut: dataSet.rows.length - rows.length,
    from: { bootstrapped: count('bootstrapped'), labelled: count('labelled'), ...(distilled > 0 ? { distilled } : {}) },
    tokens: sum(lengths),
    supervisedTokens: sum(supervised),
    lengths: spread(lengths),
    supervisedPerRow: spread(supervised),
    predictors: Object.fromEntries(predictors),
    dropped: Object.fromEntries(Object.entries(dropped).filter(([, count]) => count > 0)),
  };
}

function labelCounts(rows: readonly DataSetRow[]): { readonly [label: string]: number } {
  const counts = new Map<string, number>();
  for (const { label } of rows) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Object.fromEntries(counts);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { least: at(0), median: at(0.5), most: at(1) };
}
