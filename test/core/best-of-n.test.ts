import { describe, expect, expectTypeOf, test } from 'vitest';
import { bestOfN } from '../../src/core/best-of-n.ts';
import { candidateOf, predict, program } from '../../src/core/callable.ts';
import { withPredictor } from '../../src/core/candidate.ts';
import { ensemble } from '../../src/core/ensemble.ts';
import { InputError, WorldError } from '../../src/core/errors.ts';
import { example } from '../../src/core/example.ts';
import { ExampleFailure } from '../../src/core/failure.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import { signature } from '../../src/core/signature.ts';
import { evaluate } from '../../src/evaluate/evaluate-program.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { type Script, scriptedModel } from '../support/scripted-model.ts';

const naming = signature('animal -> name');

/** Says these one after the other; null stands for an answer that was cut off. */
const saying = (...names: readonly (string | null)[]): Script => {
  let next = 0;
  return () => {
    const name = names[Math.min(next++, names.length - 1)]!;
    return name === null ? cutOff : [`${name}"`];
  };
};
const cutOff = {
  failure: { kind: 'length', message: 'more than 512 tokens' },
  usage: { prompt: 1, cachedPrompt: 0, completion: 512 },
} as const;

/** A tenth for each letter. */
const length = (_: { animal: string }, { name }: { name: string }) => name.length / 10;

const cat = { animal: 'cat' };
const samplings = (requests: readonly LmRequest[]) =>
  requests.map(({ sampling: { temperature, seed } }) => [temperature, seed]);

describe('bestOfN', () => {
  test('returns the best of n attempts', async () => {
    const name = bestOfN(predict(naming).withLm(scriptedModel(saying('Tom', 'Felix', 'Kit'))), {
      n: 3,
      metric: length,
    });
    expect(await name(cat)).toEqual({ name: 'Felix' });
  });

  test('returns the earlier of two that are as good', async () => {
    const name = bestOfN(predict(naming).withLm(scriptedModel(saying('Tom', 'Kit'))), { n: 2, metric: length });
    expect(await name(cat)).toEqual({ name: 'Tom' });
  });

  test('makes the first attempt greedily, and the others at temperature 1 with a seed each', async () => {
    const model = scriptedModel(saying('Tom'));
    await bestOfN(predict(naming).withLm(model), { n: 3, metric: length })(cat);
    expect(samplings(model.requests)).toEqual([
      [0, 0],
      [1, 1],
      [1, 2],
    ]);
  });

  test("counts its seeds from the caller's, and samples as the caller wants otherwise", async () => {
    const model = scriptedModel(saying('Tom'));
    const name = bestOfN(predict(naming).withLm(model), { n: 2, metric: length });
    await name(cat, { sampling: { temperature: 0.5, seed: 7, topK: 3 } });
    expect(model.requests.map(({ sampling }) => sampling)).toMatchObject([
      { temperature: 0.5, seed: 7, topK: 3 },
      { temperature: 1, seed: 8, topK: 3 },
    ]);
  });

  test('stops at the threshold, which is full marks unless it is given', async () => {
    const attempts = async (threshold?: number) => {
      const model = scriptedModel(saying('Tom', 'Felix', 'Alexandria', 'Kit'));
      const options = { n: 4, metric: length, ...(threshold === undefined ? {} : { threshold }) };
      await bestOfN(predict(naming).withLm(model), options)(cat);
      return model.requests.length;
    };
    expect([await attempts(), await attempts(0.5), await attempts(0)]).toEqual([3, 2, 1]);
  });

  test('may judge by what went in, and take its time', async () => {
    const metric = async ({ animal }: { animal: string }, { name }: { name: string }) => Number(name.includes(animal));
    const name = bestOfN(predict(naming).withLm(scriptedModel(saying('Tom', 'Tomcat'))), { n: 2, metric });
    expect(await name(cat)).toEqual({ name: 'Tomcat' });
  });

  test('leaves the program as it was', async () => {
    const plain = predict(naming).withLm(scriptedModel(saying('Tom')));
    const before = candidateOf(plain);
    const name = bestOfN(plain, { n: 2, metric: length });
    await name(cat);
    expect(candidateOf(plain)).toEqual(before);
    expect(candidateOf(name)).toEqual(before);
  });

  test('can be given a model and a candidate, as its program can', async () => {
    const model = scriptedModel(saying('Tom'));
    const plain = bestOfN(predict(naming), { n: 2, metric: length });
    await expect(plain(cat)).rejects.toThrow('The predictor "predict" has no model.');
    const onModel = plain.withLm(model);
    const short = withPredictor(candidateOf(onModel), 'predict', { instructions: 'Be short.' });
    expect(await onModel.withCandidate(short)(cat)).toEqual({ name: 'Tom' });
    expect(model.requests.map(({ prompt }) => prompt.system.split('\n')[0])).toEqual(['Be short.', 'Be short.']);
  });
});

describe('a program of several attempts', () => {
  const examples = [example(cat, { name: 'Felix' })];
  const best = (...names: string[]) =>
    bestOfN(predict(naming).withLm(scriptedModel(saying(...names))), { n: 3, metric: length, threshold: 0.5 });

  test('has the type of its program', () => {
    expectTypeOf(bestOfN(predict(naming), { n: 3, metric: length })).toEqualTypeOf(predict(naming));
  });

  test('is scored as it is called, with the calls of the best attempt as they were made', async () => {
    const { mean, rows } = await evaluate(best('Tom', 'Felix', 'Kit'), examples, exactMatch());
    expect(mean).toBe(1);
    expect(rows[0]!.trace.map(({ outputs, request }) => [outputs, request.sampling.seed])).toEqual([
      [{ name: 'Felix' }, 1],
    ]);
  });

  test('that breaks the world is no bad row', async () => {
    const broken = predict(naming).withLm(
      scriptedModel(() => {
        throw dead;
      }),
    );
    await expect(evaluate(bestOfN(broken, { n: 3, metric: length }), examples, exactMatch())).rejects.toBe(dead);
  });

  test('may be one of several attempts itself', async () => {
    const twice = bestOfN(best('Tom', 'Kit', 'Leo', 'Felix'), { n: 2, metric: length });
    expect(await twice(cat)).toEqual({ name: 'Felix' });
  });

  test('cannot be the member of an ensemble, which can be tried several times instead', async () => {
    expect(() => ensemble([best('Tom')])).toThrow('A member of an ensemble is run once');
    const around = ensemble([predict(naming).withLm(scriptedModel(saying('Tom', 'Felix')))]);
    expect(await bestOfN(around, { n: 2, metric: length })(cat)).toEqual({ name: 'Felix' });
  });
});

describe('an attempt that fails', () => {
  test('costs an attempt, however little was asked of the others', async () => {
    const model = scriptedModel(saying(null, 'Tom', 'Felix'));
    const name = bestOfN(predict(naming).withLm(model), { n: 3, metric: length, threshold: 0 });
    expect(await name(cat)).toEqual({ name: 'Tom' });
    expect(model.requests).toHaveLength(2);
  });

  test('is thrown when it is the last of only such', async () => {
    const name = bestOfN(predict(naming).withLm(scriptedModel(saying(null))), { n: 2, metric: length });
    await expect(name(cat)).rejects.toEqual(new ExampleFailure(cutOff.failure));
  });

  test('is thrown at once when no more may fail, at each call anew', async () => {
    const model = scriptedModel(saying('Tom', null, 'Kit', null, null, 'Tom'));
    const name = bestOfN(predict(naming).withLm(model), { n: 3, metric: length, failCount: 1 });
    expect(await name(cat)).toEqual({ name: 'Tom' });
    await expect(name(cat)).rejects.toThrow('more than 512 tokens');
    expect(model.requests).toHaveLength(5);
  });

  test("in the program's own code fails as one that the model is to blame for, and is thrown as it is", async () => {
    const picky = program({
      predictors: { predict: naming },
      async run(inputs: { animal: string }, call) {
        const outputs = await call('predict', inputs);
        if (outputs.name.length < 4) throw new RangeError(`${outputs.name} is too short`);
        return outputs;
      },
    });
    const name = (...names: string[]) =>
      bestOfN(picky.withLm(scriptedModel(saying(...names))), { n: 2, metric: length })(cat);
    expect(await name('Tom', 'Felix')).toEqual({ name: 'Felix' });
    await expect(name('Tom')).rejects.toThrow(RangeError);
  });

  test('in its metric is a failure too, such as one that gives no number', async () => {
    const metric = (_: { animal: string }, { name }: { name: string }) => (name === 'Tom' ? Number.NaN : 0.5);
    const name = (...names: string[]) =>
      bestOfN(predict(naming).withLm(scriptedModel(saying(...names))), { n: 2, metric })(cat);
    expect(await name('Tom', 'Kit')).toEqual({ name: 'Kit' });
    await expect(name('Tom')).rejects.toThrow('The metric returned NaN, not a number from 0 to 1.');
  });
});

const dead = new WorldError('host-died', 'The model host ended.', 'Run again.');

test('a broken world ends the attempts at once', async () => {
  const model = scriptedModel(() => {
    throw dead;
  });
  await expect(bestOfN(predict(naming).withLm(model), { n: 3, metric: length })(cat)).rejects.toBe(dead);
  expect(model.requests).toHaveLength(1);
});

test('a world that breaks while the metric judges is no failed attempt', async () => {
  const model = scriptedModel(saying('Tom'));
  const metric = () => Promise.reject(dead);
  await expect(bestOfN(predict(naming).withLm(model), { n: 3, metric })(cat)).rejects.toBe(dead);
  expect(model.requests).toHaveLength(1);
});

test('options are checked, all of them at once', () => {
  expect(() => bestOfN(predict(naming), { n: 0, metric: length, threshold: 50, failCount: -1 })).toThrow(
    new InputError(
      'strategy-options',
      [
        'bestOfN.n is 0: it is a number of attempts, at least 1.',
        'bestOfN.threshold is 50: rewards are from 0 to 1.',
        'bestOfN.failCount is -1: it is a number of attempts.',
      ],
      'For example: { n: 3, metric }.',
    ),
  );
});
