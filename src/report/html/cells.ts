import type { ScoreInterval } from '../../core/summary.ts';
import { percent, whole } from '../figures.ts';
import { type Html, html } from './html.ts';

/** A score with its interval as a cell of a table. */
export const scoreCell = (score: ScoreInterval | null): Html =>
  score
    ? html`<td class="number">${percent(score.mean)} <span class="muted">[${percent(score.low)}, ${percent(score.high)}]</span></td>`
    : html`<td class="number muted">–</td>`;

/** Texts over this are cut, and say so: a report of thousands of long answers stays one file that opens. */
const longest = 2_000;

/** A text as it is, with its blanks and lines; one that is very long says how much of it is missing. */
export function longText(text: string): Html {
  const rest = text.length - longest;
  if (rest <= 0) return html`<div class="text" dir="auto">${text}</div>`;
  return html`<div class="text" dir="auto">${text.slice(0, longest)}<em class="muted"> … and ${whole(rest)} more characters, which the store has</em></div>`;
}
