import { describe, expect, test } from 'vitest';
import { candidateOf, predict, program } from '../../src/core/callable.ts';
import { withPredictor } from '../../src/core/candidate.ts';
import { InputError, WorldError } from '../../src/core/errors.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import { refine } from '../../src/core/refine.ts';
import { signature } from '../../src/core/signature.ts';
import { type Script, scriptedModel } from '../support/scripted-model.ts';

const naming = signature('animal -> name', 'Name the animal.');
const cat = { animal: 'cat' };

/** A tenth for each letter. */
const length = (_: { animal: string }, { name }: { name: string }) => name.length / 10;

const isQuestion = ({ prompt }: LmRequest) => prompt.user.startsWith('modules: ');

/** Gives short names until it is told otherwise. */
const obedient =
  (advice: string): Script =>
  (request) =>
    isQuestion(request)
      ? [`${advice}"`]
      : [request.prompt.system.includes('Hint: Take a longer name.') ? 'Alexandria"' : 'Tom"'];

const cutOff = {
  failure: { kind: 'length', message: 'more than 512 tokens' },
  usage: { prompt: 1, cachedPrompt: 0, completion: 512 },
} as const;

describe('refine', () => {
  test('tells the next attempt what went wrong in the one before', async () => {
    const model = scriptedModel(obedient('Take a longer name.'));
    const name = refine(predict(naming).withLm(model), { n: 3, metric: length });
    expect(await name(cat)).toEqual({ name: 'Alexandria' });
    expect(model.requests.map(isQuestion)).toEqual([false, true, false]);
    expect(model.requests[2]!.prompt.system.split('\nAnswer')[0]).toBe('Name the animal.\n\nHint: Take a longer name.');
    expect(model.requests[2]!.sampling).toMatchObject({ temperature: 1, seed: 1 });
  });

  test('shows the model what each module was told, given and answered, and what that was worth', async () => {
    const model = scriptedModel(obedient('Take a longer name.'));
    await refine(predict(naming).withLm(model), { n: 2, metric: length, threshold: 0.8 })(cat);
    expect(model.requests[1]!.prompt.user).toBe(
      [
        'modules: predict: Name the animal.',
        'attempt: predict was given {"animal":"cat"} and answered {"name":"Tom"}',
        'The program\'s result: {"name":"Tom"}',
        'reward: 0.3 of 1, and at least 0.8 is wanted',
      ].join('\n'),
    );
  });

  test('asks for no advice after the last attempt, nor after one that is good enough', async () => {
    const asked = async (n: number, threshold: number) => {
      const model = scriptedModel(obedient('Try.'));
      await refine(predict(naming).withLm(model), { n, metric: length, threshold })(cat);
      return model.requests.filter(isQuestion).length;
    };
    expect([await asked(1, 1), await asked(3, 1), await asked(3, 0.3)]).toEqual([0, 2, 0]);
  });

  test('learns from an attempt that failed', async () => {
    const model = scriptedModel((request) =>
      request.prompt.system.includes('Hint') || isQuestion(request) ? obedient('Be brief.')(request) : cutOff,
    );
    expect(await refine(predict(naming).withLm(model), { n: 2, metric: length })(cat)).toEqual({ name: 'Tom' });
    expect(model.requests[1]!.prompt.user).toContain('it failed: more than 512 tokens');
  });

  test('goes on without a hint when the model has none to give, at no cost of attempts', async () => {
    const model = scriptedModel((request) => (isQuestion(request) ? cutOff : obedient('')(request)));
    const name = refine(predict(naming).withLm(model), { n: 2, metric: length, failCount: 0 });
    expect(await name(cat)).toEqual({ name: 'Tom' });
    expect(model.requests.filter(({ prompt }) => prompt.system.includes('Hint'))).toEqual([]);
  });

  test('gives each predictor its own advice, and a hint lasts for one attempt', async () => {
    const both = program({
      predictors: { find: signature('animal -> trait', 'Find a trait.'), name: signature('trait -> name', 'Name it.') },
      async run({ animal }: { animal: string }, call) {
        const { trait } = await call('find', { animal });
        return call('name', { trait });
      },
    });
    const advice = [
      ['Find a nice one.', 'Take a longer name.'],
      ['', 'Take a rare name.'],
    ];
    const model = scriptedModel((request) =>
      isQuestion(request) ? advice.shift()!.map((text) => `${text}"`) : ['soft"'],
    );
    await refine(both.withLm(model), { n: 3, metric: length })(cat);
    const told = model.requests
      .filter((request) => !isQuestion(request))
      .map(({ prompt }) => /Hint: (.*)/.exec(prompt.system)?.[1] ?? null);
    expect(told).toEqual([null, null, 'Find a nice one.', 'Take a longer name.', null, 'Take a rare name.']);
  });

  test('asks the base of the program, which knows more than its task, and leaves its candidate as it was', async () => {
    const model = scriptedModel(obedient('Take a longer name.'));
    const plain = predict(naming).withLm(model);
    const tuned = withPredictor(candidateOf(plain), 'predict', { model: { base: model.base.sha256, adapter: 'a1' } });
    const name = refine(plain, { n: 2, metric: length }).withCandidate(tuned, [{ sha256: 'a1', path: '/a1.gguf' }]);
    await name(cat);
    expect(model.requests.map((request) => request.model.adapter)).toEqual(['a1', null, 'a1']);
    expect(candidateOf(name)).toEqual(tuned);
  });

  test('shows the beginning of values that are long', async () => {
    const model = scriptedModel(obedient('Try.'));
    await refine(predict(naming).withLm(model), { n: 2, metric: length })({ animal: 'x'.repeat(5000) });
    expect(model.requests[1]!.prompt.user.length).toBeLessThan(1000);
  });

  test('throws what breaks the world while it asks for advice', async () => {
    const dead = new WorldError('host-died', 'The model host ended.', 'Run again.');
    const model = scriptedModel((request) => {
      if (isQuestion(request)) throw dead;
      return ['Tom"'];
    });
    await expect(refine(predict(naming).withLm(model), { n: 2, metric: length })(cat)).rejects.toBe(dead);
  });

  test('checks its options under its own name', () => {
    expect(() => refine(predict(naming), { n: 1.5, metric: length })).toThrow(InputError);
    expect(() => refine(predict(naming), { n: 1.5, metric: length })).toThrow('refine.n is 1.5');
  });
});
