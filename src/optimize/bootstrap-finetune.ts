import { z } from 'zod';
import { type Candidate, mapPredictors, showing } from '../core/candidate.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import { defineOptimizer } from './define.ts';
import { evaluationParameters } from './evaluation-settings.ts';
import { checkFit, fitOrder } from './fit-order.ts';
import { fitParameters, optional } from './fit-settings.ts';
import { collectLessons } from './lessons.ts';
import { loadParameters } from './load-parameters.ts';
import type { Group } from './training-rows.ts';

const parameters = z.object({
  /**
   * `bootstrapped`: what the teachers (by default the student) got right, as DSPy does. `labelled`: the labels. `both`: what was got right,
   * and the labels where it was not. `distilled`: what teachers answer, without asking the metric: for examples without labels. Null: `both` where every output of a single predictor is labelled, else `bootstrapped`.
   */
  rows: optional(z.enum(['bootstrapped', 'labelled', 'both', 'distilled'])),
  /** Instructions in the rows: the current ones, or the program's own. */
  rowPrompt: z.enum(['optimized', 'plain']).default('optimized'),
  /** Demos in the rows. The candidate that leaves the step has the prompt of its rows: an adapter is only good with that. */
  rowDemos: z.enum(['none', 'current']).default('none'),
  /** A fresh adapter on the base, or going on from the current one. */
  startFrom: z.enum(['base', 'adapter']).default('base'),
  /** One adapter for all predictors of a base, or one for each. */
  multitask: z.boolean().default(true),
  metricThreshold: z.number().nullable().default(null),
  /** Attempts per example and teacher; from the second on at `temperature`. */
  attempts: z.int().positive().default(1),
  /**
   * Which attempt at an example is kept. `first-good`: the first that passes the metric, after which no more are made. `best-of-n`: all are
   * made, and of those that pass the one with the highest score is kept, ties to the first.
   */
  keep: z.enum(['first-good', 'best-of-n']).default('first-good'),
  temperature: z.number().positive().default(0.7),
  /** Rows at most, taken in turn from every label; null: 400 below 500 M parameters, else all. */
  maxRows: optional(z.int().positive()),
  /** Rows with more tokens, prompt and answer together, are left out whole and counted; null: those that do not fit the context. */
  maxRowTokens: optional(z.int().positive()),
  /** As many rows of each label as there are of the rarest; the others are left out. */
  balanced: z.boolean().default(false),
  ...fitParameters,
  ...evaluationParameters,
  ...loadParameters,
});

type FinetuneSettings = z.output<typeof parameters>;

/** The w of the strategy: rows out of good traces and labels, a LoRA adapter out of rows (DSPy's BootstrapFinetune). */
export const bootstrapFinetune = defineOptimizer({
  name: 'bootstrapFinetune',
  kind: 'weights',
  parameters,
  check: checkFit,
  expectedCalls: ({ rows, method, attempts }, { train, predictors }) =>
    rows === 'labelled' && method === 'sft' ? 0 : train * attempts * predictors,
  async optimize(settings, parent, context, metric) {
    const served = promptOfRows(parent, settings, context);
    const collected = await collectLessons(parent, settings, context, metric);
    let candidate = served;
    for (const group of groupsOf(served, settings)) {
      const order = await fitOrder({ group, served, parent, collected }, settings, context);
      const model = await context.fit(order);
      candidate = mapPredictors(candidate, (state, name) =>
        group.predictors.includes(name) ? { ...state, model } : state,
      );
    }
    context.propose(candidate, [parent], 'trained weights');
    return { candidate, trials: [{ candidate, score: null, note: 'trained weights' }] };
  },
});

/** The prompt that the rows carry and that will be served with the adapter. */
function promptOfRows(
  parent: Candidate,
  { rowPrompt, rowDemos }: FinetuneSettings,
  { structure }: OptimizerContext,
): Candidate {
  return mapPredictors(parent, (state, name) => ({
    ...(rowDemos === 'current' ? state : showing(state, [])),
    instructions:
      rowPrompt === 'plain' ? (structure.predictors[name]?.instructions ?? state.instructions) : state.instructions,
    // A calibration is about the prompt and the weights that it was measured with.
    choice: typeof state.choice === 'object' ? 'greedy' : state.choice,
  }));
}

/** Predictors that are trained together: those of one base model, or each for itself. */
function groupsOf(candidate: Candidate, { multitask }: FinetuneSettings): Group[] {
  const states = Object.entries(candidate.predictors);
  if (!multitask) return states.map(([name, state]) => ({ base: state.model.base, predictors: [name] }));
  const bases = [...new Set(states.map(([, state]) => state.model.base))];
  return bases.map((base) => ({
    base,
    predictors: states.filter(([, state]) => state.model.base === base).map(([name]) => name),
  }));
}
