import { canonicalJson, type Json } from '../core/json.ts';
import type { PairedDifference } from '../core/summary.ts';

export const percent = (share: number): string => (100 * share).toFixed(1);

export const whole = (count: number): string => Math.round(count).toLocaleString('en-US');

export function secondsText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
}

/** How a strategy is called where the empty one is the program as it was given. */
export const strategyName = (strategy: string): string => (strategy === '' ? 'baseline' : strategy);

const signed = (share: number): string => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;

export const differenceText = ({ difference }: PairedDifference): string =>
  `${signed(difference.mean)} [${signed(difference.low)}, ${signed(difference.high)}]`;

// More of a value than this is no cell of a table.
const longestValue = 60;

/** A value of an experiment in a cell; a longer one is cut, and says so. */
export function valueText(value: Json): string {
  const text = typeof value === 'string' ? value : value === null ? '–' : canonicalJson(value);
  return text.length <= longestValue ? text : `${text.slice(0, longestValue)}… (${whole(text.length)} characters)`;
}
