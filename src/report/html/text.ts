import type { ScoreInterval } from '../../core/summary.ts';
import type { PairedDifference } from '../statistics.ts';
import { type Html, html } from './html.ts';

export const percent = (share: number): string => (100 * share).toFixed(1);

export const whole = (count: number): string => Math.round(count).toLocaleString('en-US');

export function secondsText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
}

/** How a strategy is called where the empty one is the program as it was given. */
export const strategyName = (strategy: string): string => (strategy === '' ? 'baseline' : strategy);

export const scoreCell = (score: ScoreInterval | null): Html =>
  score
    ? html`<td class="number">${percent(score.mean)} <span class="muted">[${percent(score.low)}, ${percent(score.high)}]</span></td>`
    : html`<td class="number muted">–</td>`;

const signed = (share: number): string => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;

export const differenceText = ({ difference }: PairedDifference): string =>
  `${signed(difference.mean)} [${signed(difference.low)}, ${signed(difference.high)}]`;

/** Texts over this are cut, and say so: a report of thousands of long answers stays one file that opens. */
const longest = 2_000;

/** A text as it is, with its blanks and lines; one that is very long says how much of it is missing. */
export function longText(text: string): Html {
  const rest = text.length - longest;
  if (rest <= 0) return html`<div class="text" dir="auto">${text}</div>`;
  return html`<div class="text" dir="auto">${text.slice(0, longest)}<em class="muted"> … and ${whole(rest)} more characters, which the store has</em></div>`;
}
