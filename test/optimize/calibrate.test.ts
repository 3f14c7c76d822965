import { describe, expect, test } from 'vitest';
import { candidateOf, predict } from '../../src/core/callable.ts';
import type { Candidate, ChoiceRule } from '../../src/core/candidate.ts';
import { type Example, example } from '../../src/core/example.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import { signature } from '../../src/core/signature.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { answered } from '../support/responses.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery'");
const labels = ['billing', 'delivery'];

/** A model that knows the answer but leans to "billing": 3 to 1 where it is right, and still 11 to 9 where it is wrong. */
const leaning = () =>
  scriptedModel((request) => {
    const weights = request.prompt.user.startsWith('charged') ? [0.75, 0.25] : [0.55, 0.45];
    const scores = weights.map((weight, index) => weight / priorOf(request, index));
    const sum = scores[0]! + scores[1]!;
    const probabilities = scores.map((score) => score / sum);
    const option = probabilities[0]! >= probabilities[1]! ? 0 : 1;
    const whole = request.choice === 'greedy' ? null : probabilities;
    const pieces = request.answer!.map((part) => (part.type === 'text' ? part.text : labels[option]!));
    const choices = request.answer!.map((part) =>
      part.type === 'choice' ? { confidence: probabilities[option]!, probabilities: whole } : null,
    );
    return answered(pieces, { choices });
  });

function priorOf({ choice }: LmRequest, option: number): number {
  const priors = typeof choice === 'object' ? choice.logPriors.find((part) => part !== null) : null;
  return priors ? Math.exp(priors[option]!) : 1;
}

const tickets = (first: number, end: number): Example[] =>
  Array.from({ length: end - first }, (_, index) => {
    const isBilling = index % 2 === 0;
    return example(
      { ticket: `${isBilling ? 'charged' : 'parcel'} ${first + index}` },
      { team: isBilling ? 'billing' : 'delivery' },
    );
  });

function setting(rule: ChoiceRule = 'greedy', givesProbabilities = false) {
  const model = leaning();
  const program = predict(routing, { choice: rule }).withLm(model);
  const { context, evaluated } = optimizerContext(model, program.structure, {
    train: tickets(0, 40),
    val: tickets(40, 60),
    givesProbabilities,
  });
  return { parent: candidateOf(program), context, asked: evaluated };
}

const onlyZeroShot = { restrict: [-3], numCandidatePrograms: 0 };
const choiceOf = (candidate: Candidate) => candidate.predictors.predict?.choice;

describe('a search over choice rules', () => {
  test('finds that a leaning model is better calibrated', async () => {
    const { parent, context } = setting();
    const rules = ['greedy', 'most-probable', 'calibrated'] as const;
    const search = bootstrapFewShotWithRandomSearch({ ...onlyZeroShot, choiceRules: [...rules] });
    const { candidate, trials } = await search.optimize(parent, context);
    expect(trials.map(({ note, score }) => [note, score])).toEqual([
      ['no demos, greedy', 0.5],
      // No better than the one before: stopped when that was certain.
      ['no demos, most-probable', null],
      ['no demos, calibrated', 1],
    ]);
    // The means over as many tickets of either kind: (.75 + .55) / 2 and (.25 + .45) / 2.
    const priors = choiceOf(candidate) as { priors: { team: number[] } };
    expect(priors.priors.team).toEqual([expect.closeTo(0.65, 1), expect.closeTo(0.35, 1)]);
  });

  test('tries further rules on the best demos only, or on all', async () => {
    const notesOf = async (choiceRulesFor: 'best' | 'all') => {
      const { parent, context } = setting();
      const search = { restrict: [-3, -2], choiceRules: ['greedy' as const, 'calibrated' as const], choiceRulesFor };
      const { trials } = await bootstrapFewShotWithRandomSearch(search).optimize(parent, context);
      return trials.map(({ note }) => note);
    };
    expect(await notesOf('best')).toEqual(['no demos, greedy', 'labelled demos, greedy', 'no demos, calibrated']);
    expect(await notesOf('all')).toEqual([
      'no demos, greedy',
      'no demos, calibrated',
      'labelled demos, greedy',
      'labelled demos, calibrated',
    ]);
  });

  test('by default tries calibration last, where the model says how probable labels are', async () => {
    const { parent, context } = setting('greedy', true);
    const { trials, candidate } = await bootstrapFewShotWithRandomSearch(onlyZeroShot).optimize(parent, context);
    expect(trials.map(({ note, score }) => [note, score])).toEqual([
      ['no demos', 0.5],
      ['no demos, calibrated', 1],
    ]);
    expect(choiceOf(candidate)).toHaveProperty('priors');
  });

  test('by default leaves the rule as the parent has it where the model does not', async () => {
    const { parent, context } = setting('most-probable');
    const { trials } = await bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 2 }).optimize(parent, context);
    expect(new Set(trials.map(({ candidate }) => choiceOf(candidate)))).toEqual(new Set(['most-probable']));
  });

  test('calibrates the children of a calibrated parent anew', async () => {
    const { parent, context } = setting({ priors: { team: [0.01, 0.99] } });
    const { candidate } = await bootstrapFewShotWithRandomSearch(onlyZeroShot).optimize(parent, context);
    expect((choiceOf(candidate) as { priors: { team: number[] } }).priors.team[0]).toBeCloseTo(0.65, 1);
  });
});

test('a weight step forgets a calibration, which was about other weights', async () => {
  const { parent, context } = setting({ priors: { team: [0.7, 0.3] } });
  const { candidate } = await bootstrapFinetune({ rows: 'labelled' }).optimize(parent, context);
  expect(choiceOf(candidate)).toBe('greedy');
});
