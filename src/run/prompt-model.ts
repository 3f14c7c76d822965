import { initialCandidate, type ModelRef } from '../core/candidate.ts';
import type { Fields } from '../core/json.ts';
import type { Asked, AskOptions } from '../core/optimizer.ts';
import { type AnswerCall, prepare, runProgram } from '../core/program.ts';
import type { Signature } from '../core/signature.ts';
import type { Experiment } from './experiment.ts';

/** An adapter has learned the task, not how to write about it: the student's own base is asked without one. */
export function promptModelOf({ initial, promptModel, overrides }: Experiment, key: string): ModelRef {
  const base = overrides[key]?.promptModel ?? promptModel ?? Object.values(initial.predictors)[0]!.model.base;
  return { base, adapter: null };
}

/** Asks as any program asks: remembered, counted against the budget, read under a grammar. */
export async function askPromptModel(
  model: ModelRef,
  answer: AnswerCall,
  question: Signature,
  inputs: Fields,
  { attempt = {}, chatFormat = 'json' }: AskOptions = {},
): Promise<Asked> {
  const predictors = { ask: question };
  const candidate = initialCandidate(predictors, { chatFormat, decoding: 'constrained', model });
  const structure = { predictors, run: (given: Fields, call: Call) => call('ask', given) };
  const { outputs, failure, thrown } = await runProgram({
    program: prepare(structure, candidate, attempt),
    inputs,
    answer,
  });
  if (outputs !== null) return { outputs, failure: null };
  // Nothing of the user's runs here: what is thrown is a mistake of the optimizer's.
  if (thrown !== null) throw thrown;
  // `!`: without outputs there is a failure.
  return { outputs: null, failure: failure! };
}

type Call = (name: string, inputs: Fields) => Promise<Fields>;
