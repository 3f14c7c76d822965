import { type DataSetRow, type DataSetSummary, droppedText, type Spread } from '../core/data-set.ts';

/** A data set in two lines: how much there is of what; and the labels, and what was left out. */
export function dataSetLines(summary: DataSetSummary): readonly [string, string] {
  const {
    rows,
    pairs = 0,
    heldOut = 0,
    from,
    tokens,
    supervisedTokens,
    lengths,
    supervisedPerRow,
    predictors,
    dropped,
  } = summary;
  const { bootstrapped, labelled, distilled = 0 } = from;
  const sources = `${bootstrapped} bootstrapped, ${labelled} labelled${distilled > 0 ? `, ${distilled} distilled` : ''}`;
  const names = inOrder(predictors);
  const labels = names.map(([name, own]) =>
    names.length === 1 ? labelsText(own.labels) : `${name} (${own.rows}): ${labelsText(own.labels)}`,
  );
  return [
    `rows: ${whole(rows)}${pairs > 0 ? ' pairs' : ''} (${sources})${heldOut > 0 ? `, ${whole(heldOut)} more held out,` : ''} with ${whole(tokens)} tokens, ${spreadText(lengths)} in a row; trained are ${whole(supervisedTokens)}, ${spreadText(supervisedPerRow)} in a row`,
    `labels: ${labels.join('; ')}; left out: ${droppedText(dropped) || 'nothing'}`,
  ];
}

/** By name, as a store gives them back too. */
const inOrder = <Value>(values: { readonly [name: string]: Value }): [string, Value][] =>
  Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1));

const whole = (count: number): string => count.toLocaleString('en-US');

const spreadText = ({ least, median, most }: Spread): string =>
  least === most ? whole(least) : `${whole(least)} to ${whole(most)} (median ${whole(median)})`;

// More than these are no line that anybody reads; `--json` has them all.
const labelsShown = 12;

function labelsText(labels: { readonly [label: string]: number }): string {
  const counts = inOrder(labels);
  if (counts.length === 0) return 'none';
  if (counts.length <= labelsShown) return counts.map(([label, count]) => `${label} ${count}`).join(', ');
  const rows = counts.map(([, count]) => count);
  return `${counts.length}, with ${Math.min(...rows)} to ${Math.max(...rows)} rows each`;
}

/** A row's text, token by token from the ids that were trained; every token that is learned goes through `mark`. */
export function maskText({ promptIds, texts }: DataSetRow, mark: (text: string) => string): string {
  return texts.map((text, index) => (index < promptIds.length ? visible(text) : mark(visible(text)))).join('');
}

/** The same of a pair's rejected answer; null where there is none. */
export const rejectedText = ({ rejectedTexts }: DataSetRow, mark: (text: string) => string): string | null =>
  rejectedTexts?.map((text) => mark(visible(text))).join('') ?? null;

/** Control characters would do something to a terminal. */
const visible = (text: string): string =>
  text.replace(/(?![\n\t])\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
