import { candidateOf } from '../../src/core/callable.ts';
import type { Candidate } from '../../src/core/candidate.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import type { Optimized } from '../../src/core/optimizer.ts';
import type { Structure } from '../../src/core/program.ts';
import { type ContextOptions, optimizerContext } from './optimizer-context.ts';
import { numbers, program, rightKind, student } from './parity-task.ts';
import { answered } from './responses.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';

export const examples = (first: number, end: number): Example[] =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

export const asksFor = ({ prompt }: LmRequest, output: string) => prompt.system.includes(`"${output}"`);

/** A JSON string's body, with the quote that ends it. */
export const body = (text: string) => JSON.stringify(text).slice(1);

/** A prompt model that says one of these whenever it is asked for instructions, and something general to all other questions. */
export function writer(...instructions: readonly string[]): ScriptedModel {
  let next = 0;
  return scriptedModel((request) => {
    if (asksFor(request, 'newInstructions')) return [body(instructions[next++ % instructions.length]!)];
    return asksFor(request, 'isComplete') ? ['false', body('They are long.')] : [body('Numbers, odd and even ones.')];
  }, 'writer');
}

export const hint = 'Look at the last digit of the number.';
const noHint = 'Think of the number.';

const isHinted = ({ prompt }: LmRequest) => prompt.system.includes(hint);
export const shows = ({ prompt }: LmRequest) => prompt.turns.length;

/** Right on half of the numbers; the hint and demos are each worth a fifth. */
export const helpable = () => student((request) => 5 + 2 * Number(isHinted(request)) + 2 * Number(shows(request) > 0));
/** Nothing helps it. */
export const stubborn = () => student(() => 5);

/** Says "odd" to everything until that lean is taken off. */
export const leaning = () =>
  scriptedModel((request) => {
    const kind = typeof request.choice === 'object' ? rightKind(request.prompt.user) : 'odd';
    const probabilities = request.choice === 'greedy' ? null : [0.6, 0.4];
    const pieces = request.answer!.map((part) => (part.type === 'text' ? part.text : kind));
    const choices = request.answer!.map((part) => (part.type === 'choice' ? { confidence: 1, probabilities } : null));
    return answered(pieces, { choices });
  });

export interface Setting extends Partial<ContextOptions> {
  readonly model?: ScriptedModel;
  readonly structure?: Structure;
}

export function setting({ model = helpable(), structure = program(model).structure, ...options }: Setting = {}) {
  const promptModel = options.promptModel ?? writer(hint, noHint);
  const made = optimizerContext(model, structure, {
    train: examples(0, 40),
    val: examples(40, 60),
    ...options,
    promptModel,
  });
  return { ...made, model, writer: promptModel, parent: candidateOf(program(model)) };
}

export const demosOf = ({ predictors }: Candidate) => Object.values(predictors).flatMap(({ demos }) => demos);

/** The part of the details that is about one thing, for a test that knows its shape. */
export const detail = <T>({ details }: Pick<Optimized, 'details'>, name: string) =>
  (details as { [name: string]: T })[name]!;

export interface Log {
  readonly kind: string;
  readonly rows: number;
  readonly mean: number;
  readonly wasStopped: boolean;
}

export const proposalsAsked = (model: ScriptedModel) =>
  model.requests.filter((request) => asksFor(request, 'newInstructions'));

/** One demo set beside none, and one new instruction: as little as there is to search. */
export const small = { auto: null, numCandidates: 2, numTrials: 6 } as const;
