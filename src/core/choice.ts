import type { Calibration, ChoiceRule, PredictorState } from './candidate.ts';
import { answerPlan, planFields } from './chat-format.ts';
import { InputError } from './errors.ts';
import type { ChoiceOutcome, LmResponse, RequestChoice } from './lm.ts';
import type { SignatureFields } from './signature.ts';

/** How a predictor's request takes its options: the candidate's rule, laid out over the parts of the answer. */
export function requestChoice(signature: SignatureFields, state: Omit<PredictorState, 'model'>): RequestChoice {
  const { choice } = state;
  if (typeof choice === 'string') return choice;
  const plan = answerPlan(signature, state) ?? [];
  const fields = planFields(signature, state);
  const logPriors = plan.map((part, index) =>
    part.type === 'choice' ? logsOf(choice, fields[index]!, part.options.length) : null,
  );
  return { logPriors };
}

function logsOf({ priors }: Calibration, field: string, labels: number): number[] {
  const given = priors[field];
  if (given?.length === labels && given.every((prior) => prior > 0)) return given.map(Math.log);
  throw new InputError(
    'priors-invalid',
    [`The output "${field}" has ${labels} labels, and its calibration has ${JSON.stringify(given ?? null)}.`],
    'Calibrate again: priors are numbers above 0, one for each label, in their order.',
  );
}

/** Why a choice rule would have no effect; empty when it has one. */
export function choiceMistakes(
  signature: SignatureFields,
  state: Pick<PredictorState, 'chatFormat' | 'decoding' | 'choice'>,
): string[] {
  if (state.choice === 'greedy' || (answerPlan(signature, state) ?? []).some(({ type }) => type === 'choice'))
    return [];
  const name = choiceName(state.choice);
  return state.decoding === 'free'
    ? [`The choice rule "${name}" has no effect with decoding "free".`]
    : [`The choice rule "${name}" has no effect: no output has a closed set of labels.`];
}

export const choiceName = (rule: ChoiceRule): string => (typeof rule === 'string' ? rule : 'calibrated');

/** What is known about each closed output of an answer, by its name; `fields` are those of its plan. */
export function choicesByField(
  fields: readonly (string | null)[],
  response: LmResponse,
): { readonly [output: string]: ChoiceOutcome } {
  if (response.failure) return {};
  const known = response.choices.flatMap((outcome, index) => (outcome ? [[fields[index]!, outcome] as const] : []));
  return Object.fromEntries(known);
}
