import type { z } from 'zod';
import { type Candidate, candidateId } from '../core/candidate.ts';
import type { Notice } from '../core/notice.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Algorithm } from './algorithm.ts';
import { type LayoutSearchSettings, layoutCalls, searchLayouts } from './layout-search.ts';
import { requireUsableFormats } from './layouts.ts';

/** What the layout search looks at among an optimizer's parameters. */
type Parameters = LayoutSearchSettings & {
  readonly maxDemoTokens?: number | null;
  readonly stopAtScore?: number | null;
  readonly stopLosers?: boolean;
};

/** The same algorithm, and after it a search over the layouts of what it found. `usual` holds where the parameters say nothing. */
export function withLayoutSearch<S extends z.ZodObject>(
  { parameters: own, expectedCalls, optimize }: Algorithm<S>,
  usual: Partial<LayoutSearchSettings>,
): Pick<Algorithm<S>, 'expectedCalls' | 'optimize'> {
  const settingsOf = (given: Parameters): LayoutSearchSettings => ({
    chatFormats: given.chatFormats ?? usual.chatFormats ?? [],
    labelLists: given.labelLists ?? usual.labelLists ?? [],
    demoOrders: given.demoOrders ?? usual.demoOrders ?? [],
    // An algorithm that has this parameter itself has tried them already.
    choiceRules: 'choiceRules' in own.shape ? [] : (given.choiceRules ?? usual.choiceRules ?? []),
  });
  // `as`: `defineOptimizer` has put them into the schema.
  const read = (parameters: z.output<S>) => parameters as unknown as Parameters;
  return {
    expectedCalls: (parameters, sizes) =>
      expectedCalls(parameters, sizes) + layoutCalls(settingsOf(read(parameters)), sizes),
    async optimize(parameters, parent, context, metric) {
      const given = read(parameters);
      requireUsableFormats(parent, given, context.structure);
      const settings = settingsOf(given);
      const kept: Notice[] = [];
      const reserve = layoutReserve(unlike(parent, settings), context);
      const watched: OptimizerContext = {
        ...context,
        callsLeft: () => Math.max(0, context.callsLeft() - reserve),
        notice: (notice) => (notice.code === 'start-kept' ? kept.push(notice) : context.notice(notice)),
      };
      const found = await optimize(parameters, parent, watched, metric);
      const result = await searchLayouts(found, context, {
        settings,
        maxDemoTokens: given.maxDemoTokens ?? null,
        enough: given.stopAtScore ?? 1,
        stopLosers: given.stopLosers ?? true,
        metric,
      });
      // Words and demos may stay as they were, and the layout not.
      const isKept = candidateId(result.candidate) === candidateId(found.candidate);
      for (const notice of isKept ? kept : []) context.notice(notice);
      return result;
    },
  };
}

/** Without the layouts that the program has already: they are passed over. */
function unlike({ predictors }: Candidate, settings: LayoutSearchSettings): LayoutSearchSettings {
  const states = Object.values(predictors);
  const { chatFormats, labelLists } = settings;
  return {
    ...settings,
    chatFormats: (chatFormats ?? []).filter((format) => states.some(({ chatFormat }) => chatFormat !== format)),
    labelLists: (labelLists ?? []).filter((list) => states.some(({ labelList = 'shown' }) => labelList !== list)),
  };
}

/** Calls of a budget that are kept back for the layouts, at most half: on a small model they often bring more than any words. */
function layoutReserve(settings: LayoutSearchSettings, { train, val, structure, callsLeft }: OptimizerContext): number {
  const predictors = Object.keys(structure.predictors).length;
  const wanted = layoutCalls(settings, { train: train.length, val: val.length, predictors });
  return Number.isFinite(callsLeft()) ? Math.min(wanted, Math.floor(callsLeft() / 2)) : 0;
}
