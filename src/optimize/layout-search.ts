import { z } from 'zod';
import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimized, OptimizerContext, Trial, WorkSizes } from '../core/optimizer.ts';
import { calibrationRows, choiceRules, type RuleName, rulesToTry, withChoiceRule } from './calibrate.ts';
import { judgedRows } from './contest.ts';
import { judge } from './judge.ts';
import { inLayout, type Layout, layoutParameters } from './layouts.ts';

/** What is tried on a program whose words and demos are found. */
export const layoutSearchParameters = z.object({ ...layoutParameters.shape, choiceRules });

export type LayoutSearchSettings = z.output<typeof layoutSearchParameters>;

interface LayoutSearch {
  readonly settings: LayoutSearchSettings;
  readonly maxDemoTokens: number | null;
  /** A score that needs no better one. */
  readonly enough: number;
  /** Whether a layout is judged no further once it cannot be better. */
  readonly stopLosers: boolean;
  readonly metric: Metric | undefined;
}

/**
 * Tries what a search found in other layouts, one change after the other, and goes on with the better one each time: chat formats, then the
 * list of labels, then the order of the demos, then choice rules. Ties go to what was there. A calibrated program is calibrated anew each time.
 */
export async function searchLayouts(
  found: Optimized,
  context: OptimizerContext,
  { settings, maxDemoTokens, enough, stopLosers, metric }: LayoutSearch,
): Promise<Optimized> {
  const changes = changesIn(settings);
  const { examples, leaveOneOut } = judgedRows(context);
  if (changes.length === 0 || examples.length === 0) return found;
  const predictors = Object.keys(context.structure.predictors).length;
  const callsFor = (rule: RuleName | null) =>
    predictors * (examples.length + (rule === 'calibrated' ? Math.min(calibrationRows, context.train.length) : 0));
  const judged = async (candidate: Candidate, best: Judged | null): Promise<Judged> => {
    const toBeat = stopLosers ? (best?.score ?? null) : null;
    const options = { toBeat, scoresToBeat: best?.scores, leaveOneOut, ...(metric ? { metric } : {}) };
    const { score, evaluation } = await judge(context, candidate, examples, options);
    return { candidate, score, scores: evaluation.rows.map((row) => row.score.value) };
  };
  const affords = (calls: number) => {
    if (context.callsLeft() >= calls) return true;
    context.notice({
      code: 'budget-ends-search',
      message: 'The budget has no calls left for another layout: the search ends with the best so far.',
    });
    return false;
  };

  // Every answer about what was found is remembered; but asking again counts, as everywhere.
  if (!affords(callsFor(null))) return found;
  const trials: Trial[] = [];
  let best = await judged(found.candidate, null);
  for (const change of changes) {
    if ((best.score ?? 0) >= enough) break;
    // `!`: without wanted rules there is exactly one, the program's own.
    const rule = 'choiceRule' in change ? change.choiceRule : rulesToTry(null, best.candidate)[0]!;
    const changed =
      'choiceRule' in change ? best.candidate : await inLayout(best.candidate, change, maxDemoTokens, context);
    if (!('choiceRule' in change) && candidateId(changed) === candidateId(best.candidate)) continue;
    if (!affords(callsFor(rule))) break;
    const candidate = await withChoiceRule(changed, rule, context);
    if (candidateId(candidate) === candidateId(best.candidate)) continue;
    const note = noteOf(change);
    context.propose(candidate, [best.candidate], note);
    const tried = await judged(candidate, best);
    trials.push({ candidate, score: tried.score, note });
    if (tried.score !== null && tried.score > (best.score ?? 0)) best = tried;
  }
  return { ...found, candidate: best.candidate, trials: [...found.trials, ...trials] };
}

interface Judged {
  readonly candidate: Candidate;
  readonly score: number | null;
  /** On each of the examples, in their order, where it was asked all of them. */
  readonly scores: readonly number[];
}

type Change = Layout | { readonly choiceRule: RuleName };

/** The changes to try, in order; what the program is like already changes nothing and is passed over. */
const changesIn = (settings: LayoutSearchSettings): Change[] => [
  ...(settings.chatFormats ?? []).map((chatFormat) => ({ chatFormat })),
  ...(settings.labelLists ?? []).map((labelList) => ({ labelList })),
  ...(settings.demoOrders?.includes('reversed') ? [{ demoOrder: 'reversed' as const }] : []),
  ...(settings.choiceRules ?? []).map((choiceRule) => ({ choiceRule })),
];

function noteOf(change: Change): string {
  if ('chatFormat' in change) return `the best as ${change.chatFormat}`;
  if ('labelList' in change) return `the best with its labels ${change.labelList}`;
  return 'choiceRule' in change ? `the best, ${change.choiceRule}` : 'the best with its demos reversed';
}

/** Requests that it makes, roughly. */
export function layoutCalls(settings: LayoutSearchSettings, { train, val, predictors }: WorkSizes): number {
  const changes = changesIn(settings).length;
  return changes === 0 ? 0 : predictors * (changes + 1) * (val || train);
}
