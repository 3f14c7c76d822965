import { type CallOptions, candidateOf, type Program } from './callable.ts';
import { type Candidate, mapPredictors } from './candidate.ts';
import { ExampleFailure } from './failure.ts';
import type { Fields } from './json.ts';
import type { AdapterFile, LanguageModel } from './lm.ts';
import { type AnswerCall, type Attempt, prepare, type RunResult, runProgram } from './program.ts';

/** How one attempt differs from what the program does by itself. */
export interface Variation {
  readonly sampling: Attempt;
  /** What stands after a predictor's instructions in this attempt, by the predictor's name. */
  readonly hints: { readonly [predictor: string]: string };
}

/** One call of a program, which may be attempted any number of times. */
export interface Task {
  readonly inputs: Fields;
  readonly candidate: Candidate;
  /** As the caller wants it. */
  readonly sampling: Attempt;
  /** Runs the program. What the model or the program's code cannot do is in the result; a broken world is thrown. */
  attempt(variation: Variation): Promise<RunResult>;
  /** The program's models, for any other question. */
  readonly answer: AnswerCall;
}

/** Makes attempts, and says what came of the call. */
export type RunStrategy = (task: Task) => Promise<RunResult>;

/**
 * A program under a strategy: it is called as the program is, and throws as it does. It is no Program itself, since what evaluates,
 * optimizes or saves a program runs its structure once, at one temperature: that is done with `program`.
 */
export interface StrategicProgram<I = Fields, O = Fields> {
  (inputs: I, options?: CallOptions): Promise<O>;
  readonly program: Program<I, O>;
  withLm(lm: LanguageModel, predictor?: string): StrategicProgram<I, O>;
  withCandidate(candidate: Candidate, adapters?: readonly AdapterFile[]): StrategicProgram<I, O>;
}

export function withStrategy<I, O>(program: Program<I, O>, strategy: RunStrategy): StrategicProgram<I, O> {
  const { structure } = program;
  const call = async (given: I, { signal, sampling = {} }: CallOptions = {}): Promise<O> => {
    const candidate = candidateOf(program);
    // `as`, here and for the outputs: the structure checks both against its signatures.
    const inputs = given as Fields;
    const answer: AnswerCall = (request) => program.answer(request, signal);
    const attempt = (variation: Variation): Promise<RunResult> => {
      const varied = { ...sampling, ...variation.sampling };
      return runProgram({
        program: prepare(structure, withHints(candidate, variation.hints), varied),
        inputs,
        answer,
      });
    };
    const { outputs, failure, thrown } = await strategy({ inputs, candidate, sampling, attempt, answer });
    if (failure) throw thrown ?? new ExampleFailure(failure);
    return outputs as O;
  };
  return Object.assign(call, {
    program,
    withLm: (lm: LanguageModel, predictor?: string) => withStrategy(program.withLm(lm, predictor), strategy),
    withCandidate: (candidate: Candidate, adapters?: readonly AdapterFile[]) =>
      withStrategy(program.withCandidate(candidate, adapters), strategy),
  });
}

/** A copy for one attempt; the program's own candidate stays as it is. */
const withHints = (candidate: Candidate, hints: Variation['hints']): Candidate =>
  mapPredictors(candidate, (state, name) =>
    hints[name] === undefined ? state : { ...state, instructions: `${state.instructions}\n\nHint: ${hints[name]}` },
  );
