import { z } from 'zod';
import { count } from '../define.ts';
import { leakGuardMode } from '../leak-guard.ts';

/** Null: the budget is given in another way. */
const budget = <T extends z.ZodType>(type: T) => type.nullable().default(null);

/** GEPA's parameters: DSPy's, with its defaults. Of the three budgets at most one is given; none is `auto: "light"`. */
export const gepaParameters = z.object({
  /**
   * A budget by size: so many metric calls as it takes to measure the start on val, to try four proposals for each predictor and each
   * accepted candidate on their minibatches, and to measure 6 (light), 12 (medium) or 18 (heavy) accepted candidates on val.
   */
  auto: budget(z.enum(['light', 'medium', 'heavy'])),
  /** Metric calls: this often train and val together. */
  maxFullEvals: budget(z.int().positive()),
  /** Metric calls, one for each example that a candidate is run on: a hard limit, never one more. */
  maxMetricCalls: budget(z.int().positive()),
  /** Train examples that a proposal is made from and tried on. */
  reflectionMinibatchSize: z.int().positive().default(3),
  /**
   * Mistakes of the parent on earlier minibatches that its proposal is made from too: they are known, and cost no metric call. gepa shows
   * the minibatch alone, which is 0 here.
   */
  rememberedMistakes: count(3),
  reflectionTemperature: z.number().min(0).max(2).default(1),
  /**
   * Who is improved next. `pareto`: who is the best on some val row, drawn by the number of such rows; `top-k-pareto`: the same among the
   * `topK` best; `current-best`; `epsilon-greedy`: the current best, but with probability `epsilon` anyone.
   */
  candidateSelectionStrategy: z.enum(['pareto', 'current-best', 'epsilon-greedy', 'top-k-pareto']).default('pareto'),
  epsilon: z.number().min(0).max(1).default(0.1),
  topK: z.int().positive().default(5),
  /** Predictors that one proposal rewrites: each in its turn, or all at once. */
  componentSelector: z.enum(['round-robin', 'all']).default('round-robin'),
  /** What is perfect is left alone: minibatches without a fault, and a search whose best candidate has none on val. */
  skipPerfectScore: z.boolean().default(true),
  perfectScore: z.number().default(1),
  /** Shows the prompt model answers that could not be read, with what was expected; else such rows count but are not shown. */
  addFormatFailureAsFeedback: z.boolean().default(false),
  /** What a child has to do on its minibatch to be measured on val: beat its parent, or be no worse. */
  acceptance: z.enum(['improvement', 'improvement-or-equal']).default('improvement'),
  /** Joins the best instructions of two candidates with a common ancestor. Without several predictors there is nothing to join. */
  useMerge: z.boolean().default(true),
  /** Merges that are measured, whatever comes of them (gepa counts only the accepted ones). */
  maxMergeInvocations: count(5),
  leakGuard: leakGuardMode,
});

export type GepaSettings = z.output<typeof gepaParameters>;
