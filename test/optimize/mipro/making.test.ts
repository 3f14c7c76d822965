import { describe, expect, test } from 'vitest';
import { candidateOf, chainOfThought } from '../../../src/core/callable.ts';
import { example } from '../../../src/core/example.ts';
import type { LmRequest } from '../../../src/core/lm.ts';
import { miproV2 } from '../../../src/optimize/mipro/mipro-v2.ts';
import {
  asksFor,
  body,
  demosOf,
  detail,
  examples,
  helpable,
  type Setting,
  setting,
  small,
  writer,
} from '../../support/mipro-setting.ts';
import { pairProgram, parity } from '../../support/parity-task.ts';
import { scriptedModel } from '../../support/scripted-model.ts';

describe('the questions to the prompt model', () => {
  /** What it is asked with these parameters, question by question. */
  async function asked(settings: object, options: Setting = {}) {
    const { context, parent, writer: model } = setting(options);
    await miproV2({ ...small, ...settings }).optimize(parent, context);
    return model.requests;
  }
  const users = (requests: readonly LmRequest[]) => requests.map(({ prompt }) => prompt.user).join('\n');

  test.each([
    ['dataAwareProposer', 'data: '],
    ['programAwareProposer', 'task: It is given number'],
    ['fewshotAwareProposer', 'examples: {"number":'],
    ['tipAwareProposer', 'advice: '],
  ])('show with %s what is left out without it', async (parameter, shown) => {
    const questions = async (isOn: boolean) =>
      users((await asked({ numCandidates: 6, [parameter]: isOn })).filter((one) => asksFor(one, 'newInstructions')));
    expect(await questions(true)).toContain(shown);
    expect(await questions(false)).not.toContain(shown);
  });

  test('show the demos of another set each', async () => {
    const requests = (await asked({ numCandidates: 4 })).filter((one) => asksFor(one, 'newInstructions'));
    const shown = requests.map(({ prompt }) => prompt.user.split('\n').filter((line) => line.includes('{"number":')));
    expect(shown.map((lines) => lines.length)).toEqual([3, 3, 3]);
    expect(new Set(shown.map((lines) => lines.join())).size).toBe(3);
  });

  test('look at the train rows in batches before they are summed up', async () => {
    const requests = await asked({ viewDataBatchSize: 15 });
    const rowsIn = ({ prompt }: LmRequest) => prompt.user.match(/-> \{"kind"/g)?.length ?? 0;
    const before = requests.slice(
      0,
      requests.findIndex((one) => asksFor(one, 'newInstructions')),
    );
    expect(before.map(rowsIn)).toEqual([15, 15, 10, 0]);
    expect(before.at(-1)?.prompt.user).toBe('Numbers, odd and even ones.\nThey are long.\nThey are long.');
  });

  test('stop looking when the notes were complete five times', async () => {
    const content = scriptedModel((request) =>
      asksFor(request, 'isComplete') ? ['true', body('Nothing.')] : [body('A summary of numbers.')],
    );
    const requests = await asked({ viewDataBatchSize: 2 }, { promptModel: content });
    expect(requests.filter((request) => asksFor(request, 'isComplete'))).toHaveLength(5);
  });

  test('are shortened to the context of the prompt model', async () => {
    const long = examples(0, 40).map(({ inputs, labels }) =>
      example({ number: `${'0'.repeat(600)}${inputs.number}` }, labels),
    );
    const requests = await asked({}, { train: long });
    const lengths = requests.map(({ prompt }) => prompt.system.length + prompt.user.length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(4096 - 320);
    expect(requests.filter((request) => asksFor(request, 'observations')).length).toBeGreaterThan(0);
  });

  test('are asked at the wanted temperature, each with a seed of its own', async () => {
    const requests = (await asked({ numCandidates: 4, initTemperature: 0.5 })).filter((one) =>
      asksFor(one, 'newInstructions'),
    );
    expect(new Set(requests.map(({ sampling }) => sampling.temperature))).toEqual(new Set([0.5]));
    expect(new Set(requests.map(({ sampling }) => sampling.seed)).size).toBe(3);
  });

  test('describe a program of several steps once, and each of its steps', async () => {
    const model = helpable();
    const both = pairProgram(model);
    const { context, writer: writing } = setting({ model, structure: both.structure });
    await miproV2({ ...small, numCandidates: 3 }).optimize(candidateOf(both), context);
    const count = (output: string) => writing.requests.filter((request) => asksFor(request, output)).length;
    expect([count('purpose'), count('role'), count('newInstructions')]).toEqual([1, 2, 4]);
    expect(users(writing.requests)).toMatch(/call\(.first., \{ number \}\)/);
  });

  test('never lead to an instruction that quotes a row, unless that is wanted', async () => {
    const quoting = 'For example, one hundred and twenty three thousand is odd.';
    const rows = [example({ number: 'one hundred and twenty three thousand' }, { kind: 'odd' }), ...examples(0, 20)];
    const instructionsWith = async (leakGuard: 'reject' | 'off') => {
      const { context, parent } = setting({ promptModel: writer(quoting), train: rows });
      const result = await miproV2({ ...small, leakGuard }).optimize(parent, context);
      return detail<{ predict: string[] }>(result, 'instructions').predict;
    };
    expect(await instructionsWith('reject')).toEqual([]);
    expect(await instructionsWith('off')).toEqual([quoting]);
  });
});

describe('the demo sets', () => {
  const sizesWith = async (settings: object, options: Setting = {}) => {
    const { context, parent } = setting(options);
    const { trials } = await miproV2({ auto: null, numCandidates: 6, numTrials: 30, ...settings }).optimize(
      parent,
      context,
    );
    return [...new Set(trials.map(({ candidate }) => demosOf(candidate).length))].toSorted();
  };

  test('hold at most the wanted demos, among them none', async () => {
    expect(await sizesWith({ maxBootstrappedDemos: 2, maxLabeledDemos: 3 })).toEqual([0, 3]);
    expect(await sizesWith({ maxBootstrappedDemos: 2, maxLabeledDemos: 0 })).toEqual([0, 1, 2]);
    expect(await sizesWith({ maxBootstrappedDemos: 0, maxLabeledDemos: 2 })).toEqual([0, 2]);
  });

  test('leave out what does not fit the token cap', async () => {
    expect(await sizesWith({ maxDemoTokens: 30 })).toEqual([0, 1]);
  });

  test('without labels for a predictor say so once', async () => {
    const reasoned = chainOfThought(parity).withLm(helpable());
    const { context, notices } = setting({ structure: reasoned.structure });
    await miproV2().optimize(candidateOf(reasoned), context);
    expect(notices.filter((code) => code === 'no-labelled-demos')).toHaveLength(1);
  });

  test('are bootstrapped from what reaches the threshold', async () => {
    const metric = () => 0.5;
    expect(await sizesWith({ maxLabeledDemos: 0, metricThreshold: 0.6 }, { metric })).toEqual([0]);
    expect(await sizesWith({ maxLabeledDemos: 0, metricThreshold: 0.4 }, { metric })).not.toEqual([0]);
  });
});
