import { z } from 'zod';
import { type Calibration, type Candidate, mapPredictors } from '../core/candidate.ts';
import { choiceMistakes } from '../core/choice.ts';
import type { Example } from '../core/example.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Call } from '../core/trace.ts';

const ruleNames = z.enum(['greedy', 'most-probable', 'calibrated']);

/** The ways in which a search may have labels taken; null: as this optimizer usually does. */
export const choiceRules = z
  .array(ruleNames, 'A list is wanted, such as ["greedy", "calibrated"].')
  .nullable()
  .default(null);

export type RuleName = z.output<typeof ruleNames>;

/** The rules to try; null stands for the candidate's own. Priors belong to a prompt: a calibrated parent's children are calibrated anew. */
export function rulesToTry(wanted: readonly RuleName[] | null, parent: Candidate): readonly (RuleName | null)[] {
  if (wanted && wanted.length > 0) return wanted;
  const isCalibrated = Object.values(parent.predictors).some(({ choice }) => typeof choice === 'object');
  return [isCalibrated ? 'calibrated' : null];
}

/** Whether there is a closed set of labels, on a model that says how probable each of them is. */
export const canBeCalibrated = (candidate: Candidate, { structure, base }: OptimizerContext): boolean =>
  Object.entries(candidate.predictors).some(
    ([name, state]) =>
      base(state.model.base).givesProbabilities &&
      choiceMistakes(structure.predictors[name]!, { ...state, choice: 'most-probable' }).length === 0,
  );

/** Train rows whose labels' probabilities are averaged. Their own labels are not looked at. */
export const calibrationRows = 32;

// A label that never had a chance would get all of it from a prior of 0.
const leastPrior = 1e-6;

/** The candidate with another way to take labels. Predictors without a closed set of labels stay as they are. */
export async function withChoiceRule(
  candidate: Candidate,
  rule: RuleName | null,
  context: OptimizerContext,
): Promise<Candidate> {
  if (rule === null) return candidate;
  const ruled = mapPredictors(candidate, (state, name) => {
    const changed = { ...state, choice: rule === 'greedy' ? rule : ('most-probable' as const) };
    return choiceMistakes(context.structure.predictors[name]!, changed).length === 0 ? changed : state;
  });
  if (rule !== 'calibrated' || Object.values(ruled.predictors).every(({ choice }) => choice !== 'most-probable'))
    return ruled;
  // Where demos are chosen by likeness the rows are among them, each only while another one is asked.
  const { rows } = await context.evaluate(ruled, sampleRows(candidate, context), { leaveOneOut: true });
  const calls = rows.flatMap(({ trace }) => trace);
  return mapPredictors(ruled, (state, name) => {
    if (state.choice !== 'most-probable') return state;
    const priors = priorsOf(calls.filter(({ predictor }) => predictor === name));
    // A model that gave no probabilities cannot be calibrated: the predictor stays as it was.
    return Object.keys(priors).length === 0 ? candidate.predictors[name]! : { ...state, choice: { priors } };
  });
}

/** Not the demos: a model that sees the answer shows no bias. */
function sampleRows(candidate: Candidate, context: OptimizerContext): Example[] {
  const demos = new Set(
    Object.values(candidate.predictors).flatMap(({ demos: shown, nearest }) =>
      nearest === undefined ? shown.map(({ source }) => source) : [],
    ),
  );
  const others = context.train.filter(({ id }) => !demos.has(id));
  return context.rng.fork('calibration').shuffle(others).slice(0, calibrationRows);
}

/** How probable each label was on average, for every output with a closed set of labels. */
function priorsOf(calls: readonly Call[]): Calibration['priors'] {
  const seen = new Map<string, (readonly number[])[]>();
  for (const { choices } of calls)
    for (const [output, { probabilities }] of Object.entries(choices))
      if (probabilities) seen.set(output, [...(seen.get(output) ?? []), probabilities]);
  return Object.fromEntries([...seen].map(([output, all]) => [output, meansOf(all)]));
}

const meansOf = (rows: readonly (readonly number[])[]): number[] =>
  rows[0]!.map((_, index) => {
    const mean = rows.reduce((sum, row) => sum + row[index]!, 0) / rows.length;
    return Math.max(leastPrior, mean);
  });
