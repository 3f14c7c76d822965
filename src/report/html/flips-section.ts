import type { Example, SplitName } from '../../core/example.ts';
import { canonicalJson, type Fields, shortId } from '../../core/json.ts';
import type { LmResponse } from '../../core/lm.ts';
import { percent, strategyName } from '../figures.ts';
import type { Flip } from '../flips.ts';
import type { RunReport } from '../run-report.ts';
import { longText } from './cells.ts';
import { type Html, html } from './html.ts';
import type { Section } from './section.ts';

/** Two candidates whose rows are compared, and how a reader calls the pair. */
export interface FlipPair {
  readonly name: string;
  readonly split: SplitName;
  readonly before: FlipSide;
  readonly after: FlipSide;
  readonly flips: readonly Flip[];
}

interface FlipSide {
  readonly name: string;
  /** What it answered; null where that cannot be told. */
  answer(example: Example): LmResponse | null;
}

/** The pairs of a run: each step against its start on val, and the chosen program against the baseline on the sealed test. */
export function flipPairs(report: RunReport): readonly FlipPair[] {
  const { path } = report;
  const side = (id: string, name: string) => sideOf(report, id, name);
  const steps = path.flatMap(({ from, candidate, step, key, onVal }): FlipPair[] => {
    if (from === null || onVal === null) return [];
    const name = `step ${step} (${key})`;
    return [{ name, split: 'val', before: side(from, 'before'), after: side(candidate, 'after'), flips: onVal.flips }];
  });
  const chosen = path.find(({ isChosen }) => isChosen);
  if (!path[0] || !chosen?.onTest) return steps;
  const [before, after] = [side(path[0].candidate, 'baseline'), side(chosen.candidate, strategyName(chosen.strategy))];
  return [...steps, { name: 'the whole run', split: 'test', before, after, flips: chosen.onTest.flips }];
}

/** A candidate of a run as one side of a pair. */
export function sideOf({ candidates, answers }: RunReport, id: string, name: string): FlipSide {
  const candidate = candidates.find((one) => one.id === id)?.candidate;
  return { name, answer: (example) => (candidate ? answers(candidate, example) : null) };
}

/** Which examples were won and lost, with what was answered before and after, to be searched. */
export function flipsSection(pairs: readonly FlipPair[], example: (id: string) => Example | undefined): Section {
  const count = pairs.reduce((sum, { flips }) => sum + flips.length, 0);
  const parts = [...new Set(pairs.map(({ name }) => name))];
  return {
    id: 'flips',
    title: 'Won and lost',
    body:
      count === 0
        ? html`<p>No example has another score after a step than before it.</p>`
        : html`<form class="controls" data-filter hidden aria-label="Search the examples">
<label>Search <input type="search" name="text" autocomplete="off"></label>
<label>Step <select name="part"><option value="">all</option>${parts.map((name) => html`<option>${name}</option>`)}</select></label>
<label>Outcome <select name="outcome"><option value="">won and lost</option><option>won</option><option>lost</option></select></label>
<output aria-live="polite"></output></form>
<div data-flips>${pairs.flatMap((pair) => pair.flips.map((flip) => flipMarkup(pair, flip, example(flip.example))))}</div>`,
  };
}

function flipMarkup({ name, split, before, after }: FlipPair, flip: Flip, example: Example | undefined): Html {
  const outcome = flip.after > flip.before ? 'won' : 'lost';
  return html`<article class="flip" data-part="${name}" data-outcome="${outcome}"><h3><span class="${outcome}">${outcome}</span> in ${name}, ${split} <code>${shortId(flip.example)}</code></h3>
${example ? html`<dl class="fields">${fieldsMarkup(example.inputs, '')}${fieldsMarkup(example.labels, ' (label)')}</dl>` : html`<p class="muted">The store does not have this example: it was written before examples were kept. The same run command again adds them, without a call.</p>`}
<div class="sides">${sideMarkup(before, flip.before, example)}${sideMarkup(after, flip.after, example)}</div></article>`;
}

const fieldsMarkup = (fields: Fields, what: string): readonly Html[] =>
  Object.entries(fields).map(
    ([name, value]) =>
      html`<dt>${name}${what}</dt><dd>${longText(typeof value === 'string' ? value : canonicalJson(value))}</dd>`,
  );

function sideMarkup({ name, answer }: FlipSide, score: number, example: Example | undefined): Html {
  const response = example ? answer(example) : null;
  return html`<div><p class="muted">${name}: score ${percent(score)} %</p>${response === null ? html`<p class="muted">What was answered cannot be told from the store: the program asks more than one predictor, or chooses its demos by the question.</p>` : longText(answerText(response))}</div>`;
}

const answerText = (response: LmResponse): string =>
  response.failure ? `${response.failure.kind}: ${response.failure.message}` : response.pieces.join('');
