import { describe, expect, test } from 'vitest';
import { example } from '../../src/core/example.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import { createProposer, proposalStyle } from '../../src/optimize/proposals.ts';
import { optimizerContext } from '../support/optimizer-context.ts';
import { program, student } from '../support/parity-task.ts';
import { type Script, scriptedModel } from '../support/scripted-model.ts';

const plain = proposalStyle('plain', 'Rewrite the instructions.', ['currentInstructions']);
const withExamples = proposalStyle('examples', 'Rewrite them, seeing examples.', ['currentInstructions', 'examples']);

function setting(script: Script) {
  const writer = scriptedModel(script, 'writer');
  const model = student(() => 5);
  const rows = [example({ number: 'one hundred and twenty three thousand' }, { kind: 'odd' })];
  const made = optimizerContext(model, program(model).structure, { train: rows, val: [], promptModel: writer });
  return { ...made, writer };
}

const request = {
  styles: [withExamples, plain],
  inputs: { currentInstructions: 'Is the number odd or even?', examples: 'a\nb\nc' },
  parent: 'Is the number odd or even?',
  temperature: 1,
  seed: 3,
};

/** Says these one after the other. */
const saying = (...texts: readonly string[]): Script => {
  let next = 0;
  // A JSON string's body, with the quote that ends it.
  return () => [JSON.stringify(texts[Math.min(next++, texts.length - 1)]!).slice(1)];
};

describe('a proposal', () => {
  test('is what the prompt model wrote, without label and quotes', async () => {
    const { context, writer } = setting(saying('New instructions: "Look at the last digit."'));
    const proposer = createProposer(context, { leakGuard: 'reject' });
    expect(await proposer.propose(request)).toBe('Look at the last digit.');
    expect(writer.requests[0]!.prompt.user).toContain('a\nb\nc');
    expect(proposer.counts()).toMatchObject({ asked: 1, usable: 1 });
  });

  test.each([
    ['blank', '  ', 'empty'],
    ['the parent in other clothes', 'is the number ODD, or even', 'unchanged'],
    ['cut off at the limit', 'x'.repeat(1000), 'too-long'],
    ['a quotation', 'If it is one hundred and twenty three thousand, say odd.', 'quotes-a-row'],
  ])('that is %s is counted and asked for in another way', async (_, bad, outcome) => {
    const { context, writer } = setting(saying(bad, 'Look at the last digit.'));
    const proposer = createProposer(context, { leakGuard: 'reject' });
    expect(await proposer.propose(request)).toBe('Look at the last digit.');
    expect(proposer.counts()).toMatchObject({ asked: 2, usable: 1, [outcome]: 1 });
    const [first, second] = writer.requests as readonly [LmRequest, LmRequest];
    expect(second.prompt.system).not.toBe(first.prompt.system);
    expect(second.sampling.temperature).toBeGreaterThan(first.sampling.temperature);
  });

  test('that was cut off is a long one, not an unreadable one', async () => {
    const { context } = setting(() => ({
      failure: { kind: 'length', message: 'The answer was cut off.' },
      usage: { prompt: 1, cachedPrompt: 0, completion: 512 },
    }));
    const proposer = createProposer(context, { leakGuard: 'reject' });
    expect(await proposer.propose(request)).toBeNull();
    expect(proposer.counts()).toMatchObject({ asked: 2, 'too-long': 2 });
  });

  test('that quotes a row is used with a notice when it is only to be flagged', async () => {
    const quoting = 'If it is one hundred and twenty three thousand, say odd.';
    const { context, notices } = setting(saying(quoting));
    expect(await createProposer(context, { leakGuard: 'flag' }).propose(request)).toBe(quoting);
    expect(notices).toEqual(['instructions-quote-a-row']);
  });
});

test('a prompt model that proves unable is not asked again, and that is said once', async () => {
  const { context, writer, notices } = setting(saying(''));
  const proposer = createProposer(context, { leakGuard: 'reject', patience: 2 });
  for (let time = 0; time < 4; time++) expect(await proposer.propose({ ...request, seed: time })).toBeNull();
  expect(writer.requests).toHaveLength(4);
  expect(proposer.isUnable()).toBe(true);
  expect(notices).toEqual(['prompt-model-unable']);
});

test('inputs that may be shortened lose their last lines until the question fits the context of who reads it', async () => {
  const { context, writer } = setting(saying('Look at the last digit.'));
  const examples = Array.from({ length: 100 }, (_, index) => `example ${index} ${'word '.repeat(10)}`).join('\n');
  const proposer = createProposer(context, { leakGuard: 'reject' });
  const long = { ...request, inputs: { ...request.inputs, examples }, shortenable: ['examples'] };
  expect(await proposer.propose(long)).toBe('Look at the last digit.');
  const { user, system } = writer.requests[0]!.prompt;
  expect(user.length + system.length).toBeLessThanOrEqual(4096 - 512);
  expect(user).toContain('example 0 ');
  expect(user).not.toContain('example 99 ');
});

test('a question that cannot be made to fit is never sent', async () => {
  const { context, writer } = setting(saying('Look at the last digit.'));
  const proposer = createProposer(context, { leakGuard: 'reject' });
  const examples = 'word '.repeat(1000);
  expect(await proposer.propose({ ...request, styles: [withExamples], inputs: { examples } })).toBeNull();
  expect(writer.requests).toEqual([]);
  expect(proposer.counts()).toMatchObject({ asked: 0, 'too-long': 1 });
});
