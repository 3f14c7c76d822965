import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fitParameters, fitSettings } from '../../src/optimize/fit-settings.ts';

const facts = (parameters: number) => ({ parameters, layers: 30, givesProbabilities: true });
const settings = (given: object, parameters = 135e6, rows = 200) =>
  fitSettings(z.object(fitParameters).parse(given), facts(parameters), rows);

describe('where nothing is said,', () => {
  test('a small model learns in large steps in its upper third', () => {
    expect(settings({})).toEqual({
      lora: { rank: 16, alpha: 32, dropout: 0, rsLora: false, topLayers: 10, targets: 'all' },
      training: {
        method: 'sft',
        beta: null,
        steps: 50,
        batch: 8,
        learningRate: 2e-3,
        warmupSteps: 3,
        schedule: 'constant',
        precision: 'auto',
        quantization: 'none',
      },
    });
  });

  test('a large one in all layers at the rate of LoRA in general', () => {
    const { lora, training } = settings({}, 1.5e9);
    expect([lora.topLayers, training.steps, training.batch, training.learningRate]).toEqual([null, 39, 16, 2e-4]);
  });

  test('pairs are learned at a tenth of the rate', () => {
    const rate = (parameters: number) => settings({ method: 'dpo' }, parameters).training;
    expect([rate(135e6), rate(1.5e9)]).toMatchObject([
      { method: 'dpo', beta: 0.1, learningRate: 2e-4 },
      { method: 'dpo', beta: 0.1, learningRate: expect.closeTo(2e-5, 12) },
    ]);
  });

  test('the warm-up is no longer than the training', () => {
    expect(settings({ steps: 2 }).training.warmupSteps).toBe(2);
  });
});

test.each([
  { rank: 4 },
  { alpha: 8 },
  { dropout: 0.5 },
  { rsLora: true },
  { topLayers: 2 },
  { targets: 'attention' },
  { targets: ['q_proj', 'v_proj'] },
])('an adapter is made as it is asked for: %j', (given) => {
  expect(settings(given).lora).toMatchObject(given);
});

test.each([
  { method: 'dpo', beta: 0.5 },
  { steps: 7 },
  { batch: 4 },
  { learningRate: 1e-5 },
  { warmupSteps: 0 },
  { schedule: 'cosine' },
  { precision: 'float32' },
  { quantization: '4bit' },
])('a training is done as it is asked for: %j', (given) => {
  expect(settings(given).training).toMatchObject(given);
});
