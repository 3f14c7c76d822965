import type { SplitName } from './example.ts';

/** A row of the data and where a person finds it, such as `tickets.jsonl:12`. */
export interface PlacedRow {
  readonly split: SplitName;
  readonly place: string;
  /** Of the example. */
  readonly id: string;
}

/**
 * What may be wrong with data: what it is called, and what to do about it. Repeated are inputs that are the same but for case and
 * punctuation; `near` means almost.
 */
export const findingKinds = {
  'test-leak': {
    title: 'test rows that stand in train or val too',
    remedy: 'test scores would be too good: keep each in one split',
  },
  'near-test-leak': {
    title: 'test rows that are almost those of train or val',
    remedy: 'test scores may be too good: where two are one question, keep them in one split',
  },
  'split-overlap': {
    title: 'val rows that stand in train too',
    remedy: 'val scores of what was learned from them are too good: keep each in one split',
  },
  'near-overlap': {
    title: 'val rows that are almost those of train',
    remedy: 'val scores may be too good: where two are one question, keep them in one split',
  },
  duplicate: {
    title: 'rows that occur more than once in a split',
    remedy: 'each counts as often as it stands there',
  },
  'near-duplicate': {
    title: 'rows of a split that are almost the same',
    remedy: 'where they are one question it counts more than others',
  },
  contradiction: {
    title: 'rows with the same inputs and different labels',
    remedy: 'no answer is right for all of them: mend the labels',
  },
  'empty-input': { title: 'rows without any input', remedy: 'there is nothing to answer: take them out' },
  'label-missing': { title: 'rows without a label that others have', remedy: 'add it, or take them out' },
  'label-imbalance': {
    title: 'outputs of which one label is ten times as frequent as another',
    remedy: 'a mean of right answers hides the rare one: look at the scores of each',
  },
};

export type FindingKind = keyof typeof findingKinds;

/** One finding, with all of the rows that it is about; none where it is about a whole split. */
export interface Finding {
  readonly kind: FindingKind;
  readonly rows: readonly PlacedRow[];
  readonly fact: string;
}

/** Rows of each value of each output that has few values. */
export type LabelCounts = { readonly [field: string]: { readonly [label: string]: number } };

/** Data, looked at before anything is spent on it. */
export interface DataReport {
  readonly splits: { readonly [split in SplitName]: { readonly rows: number; readonly labels: LabelCounts } };
  readonly findings: readonly Finding[];
}

/** Findings by kind, in the order of the kinds; kinds that were not found are left out. */
export const findingsByKind = ({ findings }: DataReport): readonly (readonly [FindingKind, readonly Finding[]])[] =>
  // `as`: the keys of a literal.
  (Object.keys(findingKinds) as FindingKind[])
    .map((kind) => [kind, findings.filter((finding) => finding.kind === kind)] as const)
    .filter(([, found]) => found.length > 0);
