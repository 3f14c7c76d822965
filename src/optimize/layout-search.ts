import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimized, OptimizerContext, Trial, WorkSizes } from '../core/optimizer.ts';
import { calibrationRows, rulesToTry, withChoiceRule } from './calibrate.ts';
import { judgedRows } from './contest.ts';
import { judge } from './judge.ts';
import { inLayout, type Layout, type LayoutSettings } from './layouts.ts';

interface LayoutSearch {
  readonly settings: LayoutSettings;
  readonly maxDemoTokens: number | null;
  /** A score that needs no better one. */
  readonly enough: number;
  readonly metric: Metric | undefined;
}

/**
 * Tries what a search found in other layouts, one change after the other, and goes on with the better one each time: chat formats, then the
 * list of labels, then the order of the demos. Ties go to what was there; labels of a calibrated program are calibrated anew each time.
 */
export async function searchLayouts(
  found: Optimized,
  { settings, maxDemoTokens, enough, metric }: LayoutSearch,
  context: OptimizerContext,
): Promise<Optimized> {
  const layouts = layoutsIn(settings);
  if (layouts.length === 0) return found;
  const { examples, leaveOneOut } = judgedRows(context);
  // `!`: without wanted rules there is exactly one, the program's own.
  const rule = rulesToTry(null, found.candidate)[0]!;
  const predictors = Object.keys(context.structure.predictors).length;
  const callsEach = predictors * (examples.length + (rule === 'calibrated' ? calibrationRows : 0));
  const judged = (candidate: Candidate, toBeat: number | null) =>
    judge(context, candidate, examples, { toBeat, leaveOneOut, ...(metric ? { metric } : {}) });

  // Of what was found every answer is remembered; but asking again counts, as everywhere.
  if (examples.length === 0) return found;
  if (context.callsLeft() < 2 * callsEach) return sayThatTheBudgetEnds(context, found);
  const trials: Trial[] = [];
  let best = { candidate: found.candidate, score: (await judged(found.candidate, null)).score ?? 0 };
  for (const layout of layouts) {
    if (best.score >= enough) break;
    const changed = await inLayout(best.candidate, layout, maxDemoTokens, context);
    if (candidateId(changed) === candidateId(best.candidate)) continue;
    if (context.callsLeft() < callsEach) {
      sayThatTheBudgetEnds(context, found);
      break;
    }
    const candidate = await withChoiceRule(changed, rule, context);
    const note = noteOf(layout);
    context.propose(candidate, [best.candidate], note);
    const { score } = await judged(candidate, best.score);
    trials.push({ candidate, score, note });
    if (score !== null && score > best.score) best = { candidate, score };
  }
  return { ...found, candidate: best.candidate, trials: [...found.trials, ...trials] };
}

function sayThatTheBudgetEnds(context: OptimizerContext, found: Optimized): Optimized {
  context.notice({
    code: 'budget-ends-search',
    message: 'The budget has no calls left for another layout: the search ends with the best so far.',
  });
  return found;
}

/** The changes to try, in order; what the program is like already changes nothing and is passed over. */
const layoutsIn = ({ chatFormats, labelLists, demoOrders }: LayoutSettings): Layout[] => [
  ...(chatFormats ?? []).map((chatFormat) => ({ chatFormat })),
  ...(labelLists ?? []).map((labelList) => ({ labelList })),
  ...(demoOrders?.includes('reversed') ? [{ demoOrder: 'reversed' as const }] : []),
];

function noteOf(layout: Layout): string {
  if ('chatFormat' in layout) return `the best as ${layout.chatFormat}`;
  if ('labelList' in layout) return `the best with its labels ${layout.labelList}`;
  return 'the best with its demos reversed';
}

/** Requests that it makes, roughly. */
export const layoutCalls = (settings: LayoutSettings, { train, val, predictors }: WorkSizes): number => {
  const layouts = layoutsIn(settings).length;
  return layouts === 0 ? 0 : predictors * (layouts + 1) * (val || train);
};
