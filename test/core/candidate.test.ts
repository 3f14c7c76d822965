import { expect, test } from 'vitest';
import {
  type Candidate,
  candidateId,
  initialCandidate,
  mapPredictors,
  modelsOf,
  type PredictorState,
  predictorState,
  withPredictor,
} from '../../src/core/candidate.ts';
import { signature } from '../../src/core/signature.ts';

const state: PredictorState = {
  instructions: 'Route it.',
  demos: [],
  chatFormat: 'json',
  choice: 'greedy',
  decoding: 'constrained',
  model: { base: 'b', adapter: null },
};
const candidate: Candidate = { predictors: { plan: state, act: { ...state, instructions: 'Do it.' } } };

test('a program starts with its own instructions, without demos, on the base weights', () => {
  const start = initialCandidate(
    { route: signature('ticket -> team', 'Route it.') },
    { chatFormat: 'json', decoding: 'constrained', model: { base: 'b', adapter: null } },
  );
  expect(start).toEqual({ predictors: { route: state } });
});

test('a changed predictor makes a new candidate and leaves the old one as it was', () => {
  const changed = withPredictor(candidate, 'act', { instructions: 'Do it well.' });
  expect(changed).toEqual({ predictors: { plan: state, act: { ...state, instructions: 'Do it well.' } } });
  expect(candidate.predictors.act?.instructions).toBe('Do it.');
});

test('every predictor is changed by the same function, which is told its name', () => {
  const named = mapPredictors(candidate, (current, name) => ({ ...current, instructions: name }));
  expect(Object.values(named.predictors).map(({ instructions }) => instructions)).toEqual(['plan', 'act']);
});

test('equal content has an equal id', () => {
  const again: Candidate = { predictors: { act: { ...state, instructions: 'Do it.' }, plan: { ...state } } };
  expect(candidateId(again)).toBe(candidateId(candidate));
});

test.each([
  ['instructions', { instructions: 'Route this.' }],
  ['demos', { demos: [{ inputs: { ticket: 'x' }, outputs: { team: 'y' }, source: 'z' }] }],
  ['chat format', { chatFormat: 'lines' }],
  ['decoding', { decoding: 'free' }],
  ['base', { model: { base: 'other', adapter: null } }],
  ['adapter', { model: { base: 'b', adapter: 'a' } }],
] as const)('another %s is another id', (_, change) => {
  expect(candidateId(withPredictor(candidate, 'plan', change))).not.toBe(candidateId(candidate));
});

test('the models of a candidate are named once each', () => {
  const mixed = withPredictor(withPredictor(candidate, 'act', { model: { base: 'b', adapter: 'a' } }), 'plan', {
    model: { base: 'b', adapter: 'a' },
  });
  expect(modelsOf(mixed)).toEqual([{ base: 'b', adapter: 'a' }]);
  expect(modelsOf(withPredictor(mixed, 'plan', { model: { base: 'b', adapter: null } }))).toEqual([
    { base: 'b', adapter: null },
    { base: 'b', adapter: 'a' },
  ]);
});

test('a predictor that is not there is answered with those that are', () => {
  expect(() => predictorState(candidate, 'solve')).toThrow(
    'There is no predictor "solve"; this candidate has: plan, act',
  );
});
