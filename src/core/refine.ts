import { z } from 'zod';
import { type Advise, type AttemptOptions, type Rewarded, withAttempts } from './best-of-n.ts';
import type { Program } from './callable.ts';
import { initialCandidate, predictorState } from './candidate.ts';
import { isFieldName } from './field.ts';
import { canonicalJson, type Fields, type Json } from './json.ts';
import { prepare, runProgram, type Structure, type Task } from './program.ts';
import { type Signature, signature } from './signature.ts';
import type { Call } from './trace.ts';

/**
 * Like bestOfN, but after each attempt that is not good enough the program's own model is asked what each predictor should do otherwise,
 * and the next attempt has that as a hint after its instructions (DSPy's Refine). The hints last for one attempt; where the model has none
 * to give, the attempt is made without.
 */
export function refine<I, O>(program: Program<I, O>, options: AttemptOptions<I, O>): Program<I, O> {
  const { threshold = 1 } = options;
  return withAttempts('refine', program, options, adviser(program.structure, threshold));
}

/** Characters of the hint for one predictor. */
const longestHint = 400;

function adviser({ predictors }: Structure, threshold: number): Advise {
  const fields = Object.keys(predictors).map((predictor, index) => ({
    predictor,
    field: isFieldName(predictor) ? predictor : `module_${index + 1}`,
  }));
  const question = adviceQuestion(fields);
  const structure: Structure = { predictors: { advise: question }, run: (given, call) => call('advise', given) };
  // Its tokens are rarely fewer than three characters, and JSON takes some.
  const sampling = { maxTokens: fields.length * Math.ceil(longestHint / 2) };
  return async (attempt, task) => {
    // An adapter has learned the task, not how to write about it: the base is asked without one.
    const model = { base: Object.values(task.candidate.predictors)[0]!.model.base, adapter: null };
    const candidate = initialCandidate({ advise: question }, { chatFormat: 'json', decoding: 'constrained', model });
    const { outputs } = await runProgram({
      program: prepare(structure, candidate, sampling),
      inputs: whatWasDone(attempt, task, threshold),
      answer: task.answer,
    });
    const hints = fields.map(({ predictor, field }) => [predictor, String(outputs?.[field] ?? '').trim()]);
    return Object.fromEntries(hints.filter(([, hint]) => hint !== ''));
  };
}

function adviceQuestion(fields: readonly { readonly predictor: string; readonly field: string }[]): Signature {
  const hint = (predictor: string) =>
    z.string().max(longestHint).describe(`advice for the module "${predictor}", in one or two sentences`);
  return signature({
    instructions:
      'A program of one or more language model modules did not do well enough on its input. Find out what went wrong, and say what each ' +
      'module should do otherwise when it tries the same input again.',
    inputs: { modules: z.string(), attempt: z.string(), reward: z.string() },
    outputs: Object.fromEntries(fields.map(({ predictor, field }) => [field, hint(predictor)])),
  });
}

function whatWasDone({ result, reward }: Rewarded, { candidate }: Task, threshold: number): Fields {
  const names = [...new Set(result.trace.map(({ predictor }) => predictor))];
  const failure = result.failure ? `; it failed: ${brief(result.failure.message)}` : '';
  return {
    modules: names.map((name) => `${name}: ${predictorState(candidate, name).instructions}`).join('\n'),
    attempt: [
      ...result.trace.map(callText),
      `The program's result: ${result.outputs ? brief(result.outputs) : 'none'}`,
    ].join('\n'),
    reward: `${reward} of 1, and at least ${threshold} is wanted${failure}`,
  };
}

function callText({ predictor, inputs, outputs, response }: Call): string {
  const answer = outputs ?? (response.failure ? null : response.pieces.join(''));
  return `${predictor} was given ${brief(inputs)} and answered ${brief(answer)}`;
}

// Small contexts: a run of four calls with long inputs and outputs then takes about 1,500 tokens.
const longestValue = 600;

function brief(value: Json): string {
  const text = typeof value === 'string' ? value : canonicalJson(value);
  const characters = [...text];
  return characters.slice(0, longestValue).join('') + (characters.length > longestValue ? '…' : '');
}
