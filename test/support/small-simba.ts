import { candidateOf } from '../../src/core/callable.ts';
import { type Candidate, type Demo, withPredictor } from '../../src/core/candidate.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import type { Teacher } from '../../src/core/optimizer.ts';
import { simba } from '../../src/optimize/simba/simba.ts';
import { type ContextOptions, optimizerContext } from './optimizer-context.ts';
import { numbers, pairProgram, program, rightKind } from './parity-task.ts';
import { answered } from './responses.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';

export const examples = (first: number, end: number): Example[] =>
  numbers(first, end).map(({ number, kind }) => example({ number }, { kind }));

export const otherKind = (text: string) => (rightKind(text) === 'odd' ? 'even' : 'odd');
export const isDaring = ({ sampling }: LmRequest) => sampling.temperature > 0 && sampling.seed % 2 === 1;

/** Wrong, but for half of the sampled answers, and where it is told or shown how. */
export const learner = () =>
  scriptedModel((request) => {
    const { prompt } = request;
    const isTaught = prompt.system.includes('last digit') || prompt.turns.length > 0;
    return [isTaught || isDaring(request) ? rightKind(prompt.user) : otherKind(prompt.user)];
  });

export const adviser = (advice: string) => scriptedModel(() => [JSON.stringify(advice).slice(1)], 'adviser');
export const silent = () => adviser('');

interface Setting extends Partial<ContextOptions> {
  readonly parameters?: Parameters<typeof simba>[0];
  readonly model?: ScriptedModel;
  readonly start?: (start: Candidate) => Candidate;
  readonly teachers?: readonly Teacher[];
}

/** One small search: a batch of 8, four sampled runs of each example. */
export async function search({
  parameters,
  model = learner(),
  start = (same) => same,
  teachers,
  ...options
}: Setting = {}) {
  const student = program(model);
  const made = optimizerContext(model, student.structure, {
    train: examples(0, 8),
    val: examples(40, 48),
    promptModel: silent(),
    ...options,
  });
  const context = teachers ? { ...made.context, teachers } : made.context;
  const parent = start(candidateOf(student));
  const optimizer = simba({ bsize: 8, numCandidates: 4, maxSteps: 1, ...parameters });
  const optimized = await optimizer.optimize(parent, context);
  const children = made.proposed.map(({ candidate }) => candidate.predictors.predict!);
  return { ...made, ...optimized, parent, children, model, notices: made.notices };
}

export const stepsOf = ({ details }: Awaited<ReturnType<typeof search>>) =>
  details?.steps as unknown as readonly StepJson[];
interface StepJson {
  readonly sampled: number;
  readonly start: number | null;
  readonly winner: string | null;
  readonly candidates: readonly { readonly candidate: string; readonly source: string; readonly score: number }[];
}

/** A start that is shown these examples. */
export function withDemos(shown: readonly Example[]): (start: Candidate) => Candidate {
  const demos = shown.map(({ id, inputs, labels }): Demo => ({ inputs, outputs: labels, source: id }));
  return (start) => withPredictor(start, 'predict', { demos });
}

/** Right in half of its sampled answers, whatever the prompt. */
export const daring = () =>
  scriptedModel((request) => [isDaring(request) ? rightKind(request.prompt.user) : otherKind(request.prompt.user)]);

/** Three times out of four it would rather say odd. */
export function leaning(): ScriptedModel {
  return scriptedModel((request) => {
    const kind = isDaring(request) ? rightKind(request.prompt.user) : otherKind(request.prompt.user);
    const plan = request.answer!;
    const probabilities = request.choice === 'greedy' ? null : [0.75, 0.25];
    return answered(
      plan.map((part) => (part.type === 'text' ? part.text : kind)),
      { choices: plan.map((part) => (part.type === 'choice' ? { confidence: 0.75, probabilities } : null)) },
    );
  });
}

/** Two predictors, both of which see the number. */
export const pair = (model: ScriptedModel) => pairProgram(model);
