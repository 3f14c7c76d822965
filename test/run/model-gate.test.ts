import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LanguageModel } from '../../src/core/lm.ts';
import { createModelGate } from '../../src/run/model-gate.ts';
import { ask } from '../support/requests.ts';
import { scriptedModel } from '../support/scripted-model.ts';

/** Models that write down who computes, and a gate before them. */
function guarded(names: readonly string[], device = 'cpu') {
  const gate = createModelGate();
  const inside: string[] = [];
  const met = new Set<string>();
  const served: string[] = [];
  const models = names.map((name) => {
    const model = scriptedModel(() => [name], name);
    const generate: LanguageModel['generate'] = async (request, options) => {
      inside.push(name);
      for (let turn = 0; turn < 1 + (served.length % 3); turn++) {
        for (const other of inside) if (other !== name) met.add(`${name} met ${other}`);
        await nextTurn();
      }
      inside.splice(inside.indexOf(name), 1);
      served.push(name);
      if (request.prompt.user === 'fail') throw new Error('broken');
      return model.generate(request, options);
    };
    return gate.guard({ ...model, generate, engine: async () => ({ ...(await model.engine()), device }) });
  });
  return { gate, models, served, met };
}

test('models on a CPU never compute at the same time, and every call is answered by the model that was asked', async () => {
  const calls = fc.array(fc.record({ model: fc.nat(2), pause: fc.nat(4), fails: fc.boolean() }), { maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(calls, async (asked) => {
      const { models, served, met } = guarded(['student', 'teacher', 'prompt model']);
      const answers = await Promise.allSettled(
        asked.map(async ({ model, pause, fails }) => {
          for (let turn = 0; turn < pause; turn++) await nextTurn();
          return ask(models[model]!, { user: fails ? 'fail' : 'Hi' });
        }),
      );
      expect([...met]).toEqual([]);
      expect(served).toHaveLength(asked.length);
      for (const [index, { model, fails }] of asked.entries())
        expect(answers[index]).toMatchObject(
          fails
            ? { reason: { message: 'broken' } }
            : { value: { pieces: [['student', 'teacher', 'prompt model'][model]] } },
        );
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('a model goes on while it has work, and for at most 64 calls while another waits', async () => {
  const { gate, models, served } = guarded(['student', 'teacher']);
  const oneByOne = async (model: LanguageModel, count: number) => {
    for (let call = 0; call < count; call++) await ask(model, { user: 'Hi' });
  };
  await Promise.all([oneByOne(models[0]!, 200), oneByOne(models[1]!, 100)]);
  const turns: number[] = [];
  for (const [index, name] of served.entries())
    if (name === served[index - 1]) turns[turns.length - 1]!++;
    else turns.push(1);
  // 64 after the other began to wait; what is left when that one has no more work goes in one turn.
  expect(turns.slice(0, -1).every((length) => length <= 65)).toBe(true);
  expect(turns.length).toBeLessThanOrEqual(6);
  expect(gate.switches()).toBe(turns.length - 1);
});

test('one model alone is never counted as a switch', async () => {
  const { gate, models } = guarded(['student', 'teacher']);
  await Promise.all(Array.from({ length: 300 }, () => ask(models[0]!, { user: 'Hi' })));
  expect(gate.switches()).toBe(0);
});

test('models that do not compute on this CPU do not wait for each other', async () => {
  const { models, met } = guarded(['student', 'teacher'], 'cuda: a card');
  await Promise.all(models.map((model) => model.engine()));
  await Promise.all(Array.from({ length: 40 }, (_, call) => ask(models[call % 2]!, { user: 'Hi' })));
  expect([...met].sort()).toEqual(['student met teacher', 'teacher met student']);
});

test('a release does not wait for the turn', async () => {
  const { models } = guarded(['student', 'teacher']);
  const asked = ask(models[0]!, { user: 'Hi' });
  await models[1]!.release();
  await asked;
});
