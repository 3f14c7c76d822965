import { describe, expect, expectTypeOf, test } from 'vitest';
import { candidateOf, chainOfThought, predict, program } from '../../src/core/callable.ts';
import { withPredictor } from '../../src/core/candidate.ts';
import { ensemble, majority } from '../../src/core/ensemble.ts';
import { InputError, WorldError } from '../../src/core/errors.ts';
import { example } from '../../src/core/example.ts';
import { signature } from '../../src/core/signature.ts';
import { evaluate } from '../../src/evaluate/evaluate-program.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { numbers, program as parityOf, student } from '../support/parity-task.ts';
import { answered } from '../support/responses.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery' | 'account'", 'Route it.');
const ticket = { ticket: 'Lost.' };

/** Says the same to whatever it is asked. */
const saying = (team: string) => predict(routing).withLm(scriptedModel(() => [team], `says ${team}`));
const cutOff = {
  failure: { kind: 'length', message: 'more than 512 tokens' },
  usage: { prompt: 1, cachedPrompt: 0, completion: 512 },
} as const;
const failing = () => predict(routing).withLm(scriptedModel(() => cutOff, 'fails'));

describe('an ensemble', () => {
  test('answers what most of its members do', async () => {
    const route = ensemble([saying('billing'), saying('delivery'), saying('delivery')]);
    expect(await route(ticket)).toEqual({ team: 'delivery' });
  });

  test('answers what the earlier member does where as many say either', async () => {
    expect(await ensemble([saying('delivery'), saying('billing')])(ticket)).toEqual({ team: 'delivery' });
  });

  test('has the types of its members', () => {
    expectTypeOf(ensemble([predict(routing)])).toEqualTypeOf(predict(routing));
  });

  test('may be reduced in another way, which sees the answers in the order of the members', async () => {
    const seen: unknown[] = [];
    const route = ensemble([saying('billing'), saying('delivery')], {
      reduce(outputs) {
        seen.push(...outputs);
        return outputs.at(-1)!;
      },
    });
    expect(await route(ticket)).toEqual({ team: 'delivery' });
    expect(seen).toEqual([{ team: 'billing' }, { team: 'delivery' }]);
  });

  test('asks only so many members as its size says, the same ones for equal inputs and seeds', async () => {
    const labels = ['billing', 'delivery', 'account'] as const;
    const asked = async (seed: number) => {
      const teams: string[][] = [];
      const route = ensemble(labels.map(saying), {
        size: 2,
        seed,
        reduce(outputs) {
          teams.push(outputs.map(({ team }) => team));
          return outputs[0]!;
        },
      });
      for (const text of ['a', 'b', 'c', 'd', 'e', 'f', 'a']) await route({ ticket: text });
      return teams;
    };
    const teams = await asked(0);
    expect(new Set(teams.map((pair) => pair.length))).toEqual(new Set([2]));
    expect(new Set(teams.flat())).toEqual(new Set(labels));
    expect(teams.at(-1)).toEqual(teams[0]);
    expect(await asked(0)).toEqual(teams);
    expect(await asked(1)).not.toEqual(teams);
  });

  test('gives a member that fails no vote', async () => {
    const route = ensemble([failing(), failing(), saying('delivery')]);
    expect(await route(ticket)).toEqual({ team: 'delivery' });
  });

  test('fails as its last member when all fail', async () => {
    await expect(ensemble([failing(), failing()])(ticket)).rejects.toThrow('more than 512 tokens');
  });

  test('throws what breaks the world, whatever the others say', async () => {
    const dead = new WorldError('host-died', 'The model host ended.', 'Run again.');
    const broken = predict(routing).withLm(
      scriptedModel(() => {
        throw dead;
      }, 'broken'),
    );
    await expect(ensemble([saying('billing'), broken, saying('billing')])(ticket)).rejects.toBe(dead);
  });

  test('is a program whose predictors are those of its members, each with its own prompt and model', () => {
    const [one, other] = [saying('billing'), saying('delivery')];
    const short = other.withCandidate(withPredictor(candidateOf(other), 'predict', { instructions: 'Be short.' }));
    expect(candidateOf(ensemble([one, short])).predictors).toEqual({
      'programs[0].predict': candidateOf(one).predictors.predict,
      'programs[1].predict': candidateOf(short).predictors.predict,
    });
  });

  test('keeps the adapters of its members', async () => {
    const plain = saying('billing');
    const { base } = candidateOf(plain).predictors.predict!.model;
    const tuned = withPredictor(candidateOf(plain), 'predict', { model: { base, adapter: 'a1' } });
    const route = ensemble([plain.withCandidate(tuned, [{ sha256: 'a1', path: '/a1.gguf' }])]);
    expect(await route(ticket)).toEqual({ team: 'billing' });
    expect([...route.adapters.keys()]).toEqual(['a1']);
  });

  test('can be made before there is a model, and says which member lacks one', async () => {
    const route = ensemble([predict(routing), predict(routing, { decoding: 'free' })]);
    await expect(route(ticket)).rejects.toThrow('The predictor "programs[0].predict" has no model.');
    const model = scriptedModel(({ answer }) => [answer === null ? '{"team": "delivery"}' : 'delivery']);
    expect(await route.withLm(model)(ticket)).toEqual({ team: 'delivery' });
  });

  test('may have members that are programs of several predictors, and run as differently as they like', async () => {
    const model = scriptedModel(({ prompt }) => [prompt.system.startsWith('Route') ? 'billing' : 'a bill"']);
    const careful = program({
      predictors: { shorten: signature('ticket -> topic', 'Shorten it.'), route: routing },
      async run(inputs: { ticket: string }, call) {
        const { topic } = await call('shorten', inputs);
        return call('route', { ticket: topic });
      },
    }).withLm(model);
    const route = ensemble([careful, saying('delivery'), careful]);
    expect(await route(ticket)).toEqual({ team: 'billing' });
    expect(model.requests.map(({ prompt }) => prompt.user)).toEqual(['Lost.', 'a bill', 'Lost.', 'a bill']);
  });

  test('is as sure as the last member that said what it says', async () => {
    const sure = (team: 'billing' | 'delivery', confidence: number) =>
      predict(routing).withLm(
        scriptedModel(
          ({ answer }) =>
            answered(
              answer!.map((part) => (part.type === 'text' ? part.text : team)),
              { choices: answer!.map((part) => (part.type === 'choice' ? { confidence, probabilities: null } : null)) },
            ),
          `${team} ${confidence}`,
        ),
      );
    const route = ensemble([sure('billing', 0.6), sure('billing', 0.7), sure('delivery', 0.9)]);
    const { outputs, confidence, trace } = await route.predict(ticket);
    expect([outputs, confidence]).toEqual([{ team: 'billing' }, { team: 0.7 }]);
    expect(trace.map((call) => call.outputs)).toEqual([{ team: 'billing' }, { team: 'billing' }, { team: 'delivery' }]);
  });

  test('is scored as any program is', async () => {
    const examples = numbers(0, 10).map(({ number, kind }) => example({ number }, { kind }));
    const members = [3, 6, 9].map((skill) => parityOf(student(() => skill, `right up to ${skill}`)));
    const { mean, rows } = await evaluate(ensemble(members), examples, exactMatch());
    expect(mean).toBe(0.6);
    expect(rows[0]!.trace.map(({ predictor }) => predictor)).toEqual([
      'programs[0].predict',
      'programs[1].predict',
      'programs[2].predict',
    ]);
  });

  test.each([
    [[], 1, 'There are no programs.'],
    [[saying('billing')], 2, 'An ensemble of 2 cannot be drawn from 1 programs.'],
    [[saying('billing')], 0, 'An ensemble of 0 cannot be drawn from 1 programs.'],
  ])('of %s programs and size %i is refused', (members, size, mistake) => {
    expect(() => ensemble(members, { size })).toThrow(InputError);
    expect(() => ensemble(members, { size })).toThrow(mistake);
  });
});

describe('a majority', () => {
  test('compares whole answers, whatever the order of their fields', () => {
    const outputs = [
      { a: 1, b: [2] },
      { a: 2, b: [] },
      { b: [], a: 2 },
    ];
    expect(majority(outputs)).toBe(outputs[1]);
  });

  test('may be about one field, where reasons differ', async () => {
    const outputs = [
      { reasoning: 'a', team: 'billing' },
      { reasoning: 'b', team: 'delivery' },
      { reasoning: 'c', team: 'delivery' },
    ];
    expect([majority(outputs), majority(outputs, 'team')]).toEqual([outputs[0], outputs[1]]);
    const reasons = ['a', 'b', 'c'];
    const model = scriptedModel(() => {
      const reason = reasons.shift()!;
      return [`${reason}"`, reason === 'a' ? 'billing' : 'delivery'];
    });
    const members = [0, 1, 2].map(() => chainOfThought(routing).withLm(model));
    const route = ensemble(members, { reduce: (answers) => majority(answers, 'team') });
    expect(await route(ticket)).toEqual({ reasoning: 'b', team: 'delivery' });
  });
});
