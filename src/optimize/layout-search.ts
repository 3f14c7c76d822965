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
  readonly metric: Metric | undefined;
}

/**
 * Tries what a search found in other layouts, one change after the other, and goes on with the better one each time: chat formats, then the
 * list of labels, then the order of the demos, then choice rules. Ties go to what was there. A calibrated program is calibrated anew each time.
 */
export async function searchLayouts(
  found: Optimized,
  context: OptimizerContext,
  { settings, maxDemoTokens, enough, metric }: LayoutSearch,
): Promise<Optimized> {
  const changes = changesIn(settings);
  const { examples, leaveOneOut } = judgedRows(context);
  if (changes.length === 0 || examples.length === 0) return found;
  const predictors = Object.keys(context.structure.predictors).length;
  const callsFor = (rule: RuleName | null) =>
    predictors * (examples.length + (rule === 'calibrated' ? Math.min(calibrationRows, context.train.length) : 0));
  const judged = (candidate: Candidate, toBeat: number | null) =>
    judge(context, candidate, examples, { toBeat, leaveOneOut, ...(metric ? { metric } : {}) });
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
  let best = { candidate: found.candidate, score: (await judged(found.candidate, null)).score ?? 0 };
  for (const change of changes) {
    if (best.score >= enough) break;
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
    const { score } = await judged(candidate, best.score);
    trials.push({ candidate, score, note });
    if (score !== null && score > best.score) best = { candidate, score };
  }
  return { ...found, candidate: best.candidate, trials: [...found.trials, ...trials] };
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
