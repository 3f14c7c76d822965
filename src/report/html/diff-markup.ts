import type { DiffPart } from '../prompt-diff.ts';
import { type Html, html } from './html.ts';

// Lines of what is the same, before and after a change, that help to see where one is.
const context = 3;

/** A difference to read: what is the same is shortened to the lines around the changes, and says so. */
export function diffMarkup(parts: readonly DiffPart[]): Html {
  if (parts.every(({ kind }) => kind === 'same')) return html`<p class="muted">The text of the prompt is the same.</p>`;
  const last = parts.length - 1;
  return html`<pre class="diff" dir="auto">${parts.map((part, index) => partMarkup(part, index > 0, index < last))}</pre>`;
}

function partMarkup({ kind, text }: DiffPart, hasBefore: boolean, hasAfter: boolean): Html {
  if (kind === 'added') return html`<ins>${text}</ins>`;
  if (kind === 'removed') return html`<del>${text}</del>`;
  const lines = text.split('\n');
  const [first, last] = [hasBefore ? context : 0, hasAfter ? context : 0];
  const left = lines.length - first - last;
  if (left < 2) return html`${text}`;
  const head = lines.slice(0, first).join('\n');
  const tail = last === 0 ? '' : lines.slice(-last).join('\n');
  return html`${head}${hasBefore ? '\n' : null}<em class="muted">⋯ ${left} lines are the same</em>${hasAfter ? '\n' : null}${tail}`;
}
