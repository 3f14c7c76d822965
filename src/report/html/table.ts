import { type Html, html, type Part } from './html.ts';

interface TableOptions {
  readonly caption: string;
  readonly head: readonly Part[];
  /** Whole rows: `<tr>…</tr>`. */
  readonly rows: readonly Html[];
  /** Lets the reader sort by a column. */
  readonly isSortable?: boolean;
}

/** A table that keeps its own width: on a narrow screen it scrolls, also by keyboard. */
export const table = ({ caption, head, rows, isSortable = false }: TableOptions): Html => html`
<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table${isSortable ? html` data-sortable` : null}>
<caption>${caption}</caption>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
