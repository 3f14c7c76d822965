import type { Candidate } from '../../src/core/candidate.ts';
import { embedOnce, embedWith } from '../../src/core/embedding.ts';
import type { Example } from '../../src/core/example.ts';
import type { Metric } from '../../src/core/metric.ts';
import type { FitOrder, OptimizerContext } from '../../src/core/optimizer.ts';
import { firstAttempt, type Structure } from '../../src/core/program.ts';
import { seededRng } from '../../src/core/rng.ts';
import { evaluateCandidate } from '../../src/evaluate/evaluate.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { askPromptModel } from '../../src/run/prompt-model.ts';
import type { ScriptedModel } from './scripted-model.ts';

export interface ContextOptions {
  readonly train: readonly Example[];
  readonly val: readonly Example[];
  readonly seed?: number;
  readonly metric?: Metric;
  /** Default: the student's own model. */
  readonly promptModel?: ScriptedModel;
  /** Default: false, as what most scripted models answer has none. */
  readonly givesProbabilities?: boolean;
  /** Requests that may be made, to the student and to the prompt model. */
  readonly maxCalls?: number;
}

/** What an optimizer sees, over a scripted model and without a run around it; and what it did there. */
export interface TestContext {
  readonly context: OptimizerContext;
  readonly orders: readonly FitOrder[];
  readonly notices: readonly string[];
  readonly proposed: readonly { readonly candidate: Candidate; readonly note: string }[];
  /** Every candidate that was evaluated, in order. */
  readonly evaluated: readonly Candidate[];
}

export function optimizerContext(model: ScriptedModel, structure: Structure, options: ContextOptions): TestContext {
  const orders: FitOrder[] = [];
  const notices: string[] = [];
  const proposed: { candidate: Candidate; note: string }[] = [];
  const evaluated: Candidate[] = [];
  const { promptModel = model, maxCalls = Number.POSITIVE_INFINITY } = options;
  let spent = 0;
  const answerOf = (lm: ScriptedModel) => async (request: Parameters<ScriptedModel['generate']>[0]) => {
    if (++spent > maxCalls) throw new Error(`More than ${maxCalls} calls were made`);
    return lm.generate(request, { adapter: null });
  };
  const writer = { base: promptModel.base.sha256, adapter: null };
  const embed = embedOnce({ recall: () => undefined, ask: (_, texts) => embedWith(model, texts) });
  const context: OptimizerContext = {
    structure,
    train: options.train,
    val: options.val,
    teachers: [],
    promptModel: writer,
    rng: seededRng(options.seed ?? 0),
    signal: new AbortController().signal,
    callsLeft: () => maxCalls - spent,
    evaluate(candidate, rows, given = {}) {
      evaluated.push(candidate);
      return evaluateCandidate({
        structure: given.structure ?? structure,
        candidate,
        examples: rows,
        metric: given.metric ?? options.metric ?? exactMatch(),
        attempt: given.attempt ?? firstAttempt,
        leaveOneOut: given.leaveOneOut ?? false,
        answer: answerOf(model),
        embed,
        concurrency: 4,
        maxErrors: 10,
      });
    },
    evaluateAll: (candidates, rows, given) =>
      Promise.all(candidates.map((candidate) => context.evaluate(candidate, rows, given))),
    ask: (question, inputs, asked) => askPromptModel(writer, answerOf(promptModel), question, inputs, asked),
    propose: (candidate, _, note) => proposed.push({ candidate, note }),
    countTokens: async (_, rows) =>
      (await model.encode(rows)).map(({ promptIds, completionIds }) => promptIds.length + completionIds.length),
    embed,
    base: () => ({ ...model.base, givesProbabilities: options.givesProbabilities ?? false }),
    contextTokens: async () => 4096,
    fit: async (order) => {
      orders.push(order);
      return { base: order.base, adapter: `adapter-${orders.length}` };
    },
    notice: ({ code }) => notices.push(code),
  };
  return { context, orders, notices, proposed, evaluated };
}
