import type { ScaleLinear } from 'd3-scale';
import { type Html, html, type Part } from './html.ts';

export const chartSize = { width: 760, height: 300, left: 48, right: 16, top: 14, bottom: 44 } as const;

export const plotted = {
  x: [chartSize.left, chartSize.width - chartSize.right] as const,
  y: [chartSize.height - chartSize.bottom, chartSize.top] as const,
};

interface Chart {
  readonly id: string;
  readonly title: string;
  /** The same in words, for those who do not see it. */
  readonly description: string;
  readonly y: ScaleLinear<number, number>;
  readonly yText: (value: number) => string;
  readonly yName: string;
  readonly xTicks: readonly { readonly at: number; readonly text: string }[];
  readonly xName: string;
  readonly marks: Part;
}

/** An SVG with axes. What it shows stands in a table beside it as well. */
export function chart({ id, title, description, y, yText, yName, xTicks, xName, marks }: Chart): Html {
  const [left, right] = plotted.x;
  const [bottom] = plotted.y;
  const middle = (bottom + plotted.y[1]) / 2;
  return html`<figure><svg class="chart" viewBox="0 0 ${chartSize.width} ${chartSize.height}" role="img" aria-labelledby="${id}-title ${id}-description">
<title id="${id}-title">${title}</title><desc id="${id}-description">${description}</desc>
${y.ticks(5).map((tick) => html`<line class="grid" x1="${left}" x2="${right}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/><text x="${left - 8}" y="${fixed(y(tick) + 4)}" text-anchor="end">${yText(tick)}</text>`)}
${xTicks.map(({ at, text }) => html`<text x="${fixed(at)}" y="${bottom + 18}" text-anchor="middle">${text}</text>`)}
<text x="${(left + right) / 2}" y="${bottom + 38}" text-anchor="middle">${xName}</text>
<text transform="translate(12 ${middle}) rotate(-90)" text-anchor="middle">${yName}</text>
${marks}</svg><figcaption>${title}</figcaption></figure>`;
}

/** A tenth of a pixel is enough, and the file stays small. */
export const fixed = (value: number): string => value.toFixed(1);
