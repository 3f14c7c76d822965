import { type Candidate, candidateId } from '../../src/core/candidate.ts';
import { canonicalJson, type Json } from '../../src/core/json.ts';
import type { LmRequest, LmResponse } from '../../src/core/lm.ts';
import type { Row } from '../../src/core/metric.ts';
import type { Notice } from '../../src/core/notice.ts';
import type { Optimized, Optimizer, OptimizerContext } from '../../src/core/optimizer.ts';
import { firstAttempt } from '../../src/core/program.ts';
import { evaluateCandidate } from '../../src/evaluate/evaluate.ts';
import type { Problem } from './laboratory.ts';
import { writer } from './laboratory-writer.ts';
import { optimizerContext } from './optimizer-context.ts';
import type { ScriptedModel } from './scripted-model.ts';

export interface RunOptions {
  /** The optimizer's seed. */
  readonly seed?: number;
  /** Requests that may be made. */
  readonly maxCalls?: number;
  /** Default: one that finds half of what it is shown and guesses a tenth of what it is not. */
  readonly promptModel?: ScriptedModel;
  /** Default: the problem's own. */
  readonly start?: Candidate;
  /** Answers by canonical request, read and added to. */
  readonly memory?: Map<string, LmResponse>;
}

/** What an optimizer was seen to do. */
export interface Observed {
  readonly start: Candidate;
  readonly optimized: Optimized;
  readonly notices: readonly Notice[];
  /** Ids of candidates, in the order in which they were put on record and measured. */
  readonly history: readonly { readonly did: 'propose' | 'evaluate'; readonly candidate: string }[];
  /** What was asked of the models; what a memory answered is not among it. */
  readonly requests: { readonly student: readonly LmRequest[]; readonly promptModel: readonly LmRequest[] };
}

/** Lets an optimizer work on a problem. */
export async function observe(optimizer: Optimizer, problem: Problem, options: RunOptions = {}): Promise<Observed> {
  const { start = problem.start, promptModel = writer({ finds: 0.5, guesses: 0.1 }), memory, ...limits } = options;
  const student = problem.student();
  const remembering = (model: ScriptedModel) => (memory ? withMemory(model, memory) : model);
  const { context } = optimizerContext(remembering(student), problem.structure, {
    train: problem.train,
    val: problem.val,
    metric: problem.metric,
    promptModel: remembering(promptModel),
    ...limits,
  });
  const { watched, notices, history } = watch(context);
  const optimized = await optimizer.optimize(start, watched);
  return {
    start,
    optimized,
    notices,
    history,
    requests: { student: student.requests, promptModel: promptModel.requests },
  };
}

/** The candidate on the rows that are kept from optimizers: its mean there, and what was asked. */
export async function measuredOnTest(
  problem: Problem,
  candidate: Candidate,
): Promise<{ readonly mean: number; readonly rows: readonly Row[]; readonly requests: readonly LmRequest[] }> {
  const student = problem.student();
  const { mean, rows } = await evaluateCandidate({
    structure: problem.structure,
    candidate,
    examples: problem.test,
    metric: problem.metric,
    attempt: firstAttempt,
    answer: (request) => student.generate(request, { adapter: null }),
    embed: (_, texts) => student.weights.embed(texts),
    concurrency: 4,
    maxErrors: 0,
    leaveOneOut: false,
  });
  // `!`: every problem has test rows.
  return { mean: mean!, rows, requests: student.requests };
}

/** The context, and what it is told in the order of telling. */
function watch(context: OptimizerContext) {
  const notices: Notice[] = [];
  const history: { did: 'propose' | 'evaluate'; candidate: string }[] = [];
  const note = (did: 'propose' | 'evaluate', candidate: Candidate) =>
    history.push({ did, candidate: candidateId(candidate) });
  const watched: OptimizerContext = {
    ...context,
    propose(candidate, parents, why) {
      note('propose', candidate);
      context.propose(candidate, parents, why);
    },
    evaluate(candidate, examples, options) {
      note('evaluate', candidate);
      return context.evaluate(candidate, examples, options);
    },
    evaluateAll(candidates, examples, options) {
      for (const candidate of candidates) note('evaluate', candidate);
      return context.evaluateAll(candidates, examples, options);
    },
    notice(notice) {
      notices.push(notice);
      context.notice(notice);
    },
  };
  return { watched, notices, history };
}

function withMemory(model: ScriptedModel, memory: Map<string, LmResponse>): ScriptedModel {
  return {
    ...model,
    async generate(request, options) {
      // `as`: requests are plain data.
      const key = canonicalJson(request as unknown as Json);
      const response = memory.get(key) ?? (await model.generate(request, options));
      memory.set(key, response);
      return response;
    },
  };
}
