import type { z } from 'zod';
import { type Candidate, type Demo, mapPredictors, type PredictorState, predictorState, showing } from './candidate.ts';
import { answerPlan, parseAnswer, planFields, promptFrame, userText } from './chat-format.ts';
import { choicesByField, requestChoice } from './choice.ts';
import { type EmbedCall, nearestDemos } from './embedding.ts';
import { InputError } from './errors.ts';
import { ExampleFailure, type Failure } from './failure.ts';
import type { Fields, Json } from './json.ts';
import type { LmRequest, LmResponse, Prompt, Sampling } from './lm.ts';
import type { InputsOf, OutputsOf, Signature } from './signature.ts';
import type { Call, Trace } from './trace.ts';

export type Predictors = { readonly [name: string]: Signature };

/** What the user's code calls: a predictor by its name. */
export type CallPredictor<P extends Predictors> = <N extends keyof P & string>(
  name: N,
  inputs: InputsOf<P[N]>,
) => Promise<OutputsOf<P[N]>>;

/** Ordinary code around named predictors. It holds no prompt and no model: those are the candidate's. */
export interface Structure {
  readonly predictors: Predictors;
  // The one place where the types of a program's fields are erased; `program()` and `predict()` put them back.
  run(inputs: Fields, call: (name: string, inputs: Fields) => Promise<Fields>): Promise<Fields>;
  /** Makes more of a call than one run. */
  readonly strategy?: RunStrategy;
}

/** How a call is made of several attempts, each of which runs another structure once. */
export interface RunStrategy {
  /** What decides its results: part of a run's identity. */
  readonly identity: Json;
  readonly of: Structure;
  /** Makes attempts, and says what came of the call: as a rule, one of them, with its trace. */
  decide(task: Task): Promise<RunResult>;
}

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

/** How freely the model may try: what is left out is as in the first attempt, which is what the finished program does. */
export type Attempt = Partial<Sampling>;

// Small models that chat on hit 512.
export const firstAttempt: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  maxTokens: 512,
  seed: 0,
};

export interface RunResult {
  readonly outputs: Fields | null;
  readonly trace: Trace;
  readonly failure: Failure | null;
  /** What the user's code threw, for its stack. */
  readonly thrown: unknown;
}

/** Where calls are answered: a model, or a memory in front of one. */
export type AnswerCall = (request: LmRequest) => Promise<LmResponse>;

/** A program with a candidate's prompts in it, ready for any number of inputs. */
export interface PreparedProgram {
  readonly run: Structure['run'];
  /** Does it all instead of one run, where the structure has a strategy. */
  readonly strategy: ((inputs: Fields, answer: AnswerCall) => Promise<RunResult>) | null;
  /** The demos that this question is to be shown; null where all questions are shown the same. */
  nearest(predictor: string, inputs: Fields): Promise<readonly Demo[]> | null;
  /** A pure function of candidate, inputs and attempt. All requests of a predictor hold the same objects but for what is their own. */
  request(predictor: string, inputs: Fields, nearest?: readonly Demo[]): LmRequest;
  /** Reads an answer; throws a `parse` failure that says what was expected. */
  read(predictor: string, answer: string): Fields;
  /** What is known about the outputs that have a closed set of labels. */
  choices(predictor: string, response: LmResponse): Call['choices'];
}

/** Makes what the calls of a predictor have in common once, when the first of them is made. `embed`: for demos that are chosen by likeness. */
export function prepare(
  structure: Structure,
  candidate: Candidate,
  attempt: Attempt,
  embed: EmbedCall = embedsNothing,
): PreparedProgram {
  const sampling: Sampling = { ...firstAttempt, ...attempt };
  const prepared = new Map<string, PreparedPredictor>();
  const predictorOf = (name: string): PreparedPredictor => {
    const known = prepared.get(name) ?? preparePredictor(structure, candidate, name, sampling);
    prepared.set(name, known);
    return known;
  };
  return {
    run: structure.run,
    strategy: structure.strategy ? strategic(structure.strategy, candidate, attempt, embed) : null,
    nearest(predictor, inputs) {
      const { signature, state } = predictorOf(predictor);
      if (state.nearest === undefined) return null;
      return nearestDemos(signature, state, checkedInputs(signature, predictor, inputs), embed);
    },
    request(predictor, inputs, nearest) {
      const { signature, state, frame, shared } = predictorOf(predictor);
      const user = userText(signature, checkedInputs(signature, predictor, inputs));
      return { ...shared, prompt: { ...(nearest ? promptFrame(signature, showing(state, nearest)) : frame()), user } };
    },
    read(predictor, answer) {
      const { signature, state } = predictorOf(predictor);
      return parseAnswer(signature, state.chatFormat, answer);
    },
    choices: (predictor, response) => choicesByField(predictorOf(predictor).planFields, response),
  };
}

const embedsNothing: EmbedCall = async () => {
  throw new TypeError('A program whose demos are chosen by likeness was prepared without embeddings');
};

function strategic(
  { of, decide }: RunStrategy,
  candidate: Candidate,
  sampling: Attempt,
  embed: EmbedCall,
): PreparedProgram['strategy'] {
  return (inputs, answer) => {
    const attempt = (variation: Variation): Promise<RunResult> => {
      const varied = { ...sampling, ...variation.sampling };
      return runProgram({ program: prepare(of, withHints(candidate, variation.hints), varied, embed), inputs, answer });
    };
    return decide({ inputs, candidate, sampling, attempt, answer });
  };
}

/** A copy for one attempt; the program's own candidate stays as it is. */
const withHints = (candidate: Candidate, hints: Variation['hints']): Candidate =>
  mapPredictors(candidate, (state, name) =>
    hints[name] === undefined ? state : { ...state, instructions: `${state.instructions}\n\nHint: ${hints[name]}` },
  );

function checkedInputs(signature: Signature, predictor: string, inputs: Fields): Fields {
  const given = signature.inputs.safeParse(inputs);
  if (!given.success) throw inputsInvalid(predictor, inputs, given.error);
  // `as`: the fields of a signature are JSON.
  return given.data as Fields;
}

function inputsInvalid(predictor: string, inputs: Fields, { issues }: z.ZodError): InputError {
  const mistakes = issues.map(({ path, message }) => {
    const name = String(path[0]);
    return `The predictor "${predictor}" was called with inputs that it does not take: ${inputs[name] === undefined ? `"${name}" is missing` : `"${name}": ${message}`}.`;
  });
  return new InputError('inputs-invalid', mistakes, 'Call it with the inputs of its signature.');
}

interface PreparedPredictor {
  readonly signature: Signature;
  readonly state: PredictorState;
  /** The same object each time. Throws where the frame depends on the question. */
  frame(): Omit<Prompt, 'user'>;
  readonly shared: Omit<LmRequest, 'prompt'>;
  readonly planFields: readonly (string | null)[];
}

function preparePredictor(
  { predictors }: Structure,
  candidate: Candidate,
  name: string,
  sampling: Sampling,
): PreparedPredictor {
  const signature = predictors[name];
  if (!signature) {
    const known = Object.keys(predictors).join(', ');
    throw new TypeError(`The program calls the predictor "${name}", which it does not have: ${known}`);
  }
  const state = predictorState(candidate, name);
  const frame = state.nearest === undefined ? promptFrame(signature, state) : null;
  return {
    signature,
    state,
    frame() {
      if (frame) return frame;
      throw new TypeError(`The demos of "${name}" depend on the question, and none were chosen for it`);
    },
    shared: {
      model: state.model,
      answer: answerPlan(signature, state),
      choice: requestChoice(signature, state),
      sampling,
    },
    planFields: planFields(signature, state),
  };
}

/** Runs a program once, or as its strategy has it. What the model cannot do ends up in the result; a broken world is thrown. */
export async function runProgram(args: {
  readonly program: PreparedProgram;
  readonly inputs: Fields;
  readonly answer: AnswerCall;
}): Promise<RunResult> {
  const { program, inputs, answer } = args;
  if (program.strategy) return program.strategy(inputs, answer);
  // A place for each call from the moment it is made: answers of parallel calls may come in any order.
  const calls: (Call | null)[] = [];
  let worldError: unknown;
  const fromTheWorld = async <Result>(ask: () => Promise<Result>): Promise<Result> => {
    try {
      return await ask();
    } catch (error) {
      worldError = error;
      throw error;
    }
  };
  const call = async (predictor: string, given: Fields): Promise<Fields> => {
    const nearest = program.nearest(predictor, given);
    const index = calls.push(null) - 1;
    const request = program.request(predictor, given, nearest ? await fromTheWorld(() => nearest) : undefined);
    const response = await fromTheWorld(() => answer(request));
    const choices = program.choices(predictor, response);
    const made: Call = { predictor, inputs: given, outputs: null, choices, request, response, failure: null };
    calls[index] = made;
    try {
      if (response.failure) throw new ExampleFailure(response.failure);
      const outputs = program.read(predictor, response.pieces.join(''));
      calls[index] = { ...made, outputs };
      return outputs;
    } catch (error) {
      if (error instanceof ExampleFailure) calls[index] = { ...made, failure: error.failure };
      throw error;
    }
  };
  const ended = await outcomeOf(() => program.run(inputs, call));
  // Whatever asking throws is not the program's doing. It may catch that, but must not turn a dead host into an answer, good or bad.
  if (worldError !== undefined) throw worldError;
  return { ...ended, trace: calls.filter((made) => made !== null) };
}

async function outcomeOf(run: () => Promise<Fields>): Promise<Omit<RunResult, 'trace'>> {
  try {
    return { outputs: await run(), failure: null, thrown: null };
  } catch (error) {
    if (error instanceof ExampleFailure) return { outputs: null, failure: error.failure, thrown: null };
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { outputs: null, failure: { kind: 'program-error', message }, thrown: error };
  }
}
