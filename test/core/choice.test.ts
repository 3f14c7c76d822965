import { expect, test } from 'vitest';
import type { ChoiceRule, PredictorState } from '../../src/core/candidate.ts';
import { planFields } from '../../src/core/chat-format.ts';
import { choiceMistakes, choicesByField, requestChoice } from '../../src/core/choice.ts';
import { signature } from '../../src/core/signature.ts';
import { answered } from '../support/responses.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery', urgent: bool");
const state = (choice: ChoiceRule, change: Partial<PredictorState> = {}): PredictorState => ({
  instructions: '',
  demos: [],
  chatFormat: 'json',
  decoding: 'constrained',
  model: { base: 'b', adapter: null },
  choice,
  ...change,
});
const priors = { team: [0.75, 0.25], urgent: [0.5, 0.5] };

test('priors go to the parts in which their outputs are decided', () => {
  expect(requestChoice(routing, state('most-probable'))).toBe('most-probable');
  const { logPriors } = requestChoice(routing, state({ priors })) as { logPriors: readonly unknown[] };
  expect(logPriors.filter((part) => part !== null)).toEqual([
    [Math.log(0.75), Math.log(0.25)],
    [Math.log(0.5), Math.log(0.5)],
  ]);
});

test('priors that do not fit the labels are refused with both counts', () => {
  const refused = (team: readonly number[]) => () => requestChoice(routing, state({ priors: { ...priors, team } }));
  expect(refused([1])).toThrow('The output "team" has 2 labels, and its calibration has [1].');
  expect(refused([1, 0])).toThrow('has 2 labels, and its calibration has [1,0].');
});

test('a rule that would have no effect is a mistake', () => {
  const open = signature('ticket -> summary');
  expect(choiceMistakes(routing, state('most-probable'))).toEqual([]);
  expect(choiceMistakes(open, state('greedy'))).toEqual([]);
  expect(choiceMistakes(open, state('most-probable'))).toEqual([
    'The choice rule "most-probable" has no effect: no output has a closed set of labels.',
  ]);
  expect(choiceMistakes(routing, state({ priors }, { decoding: 'free' }))).toEqual([
    'The choice rule "calibrated" has no effect with decoding "free".',
  ]);
});

test('what is known about a choice is known by the name of its output', () => {
  const fields = planFields(routing, state('greedy'));
  const sure = { confidence: 0.9, probabilities: [0.9, 0.1] };
  const guess = { confidence: 0.5, probabilities: null };
  const response = answered(['{"team": ', '"billing"', ', "urgent": ', 'true', '}'], {
    choices: [null, sure, null, guess, null],
  });
  expect(choicesByField(fields, response)).toEqual({ team: sure, urgent: guess });
  const failure = { kind: 'length', message: 'no end' } as const;
  expect(choicesByField(fields, { failure, usage: response.usage })).toEqual({});
});
