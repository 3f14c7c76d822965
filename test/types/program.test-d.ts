import { expectTypeOf, test } from 'vitest';
import { chainOfThought, type Program, predict, program } from '../../src/core/callable.ts';
import { signature } from '../../src/core/signature.ts';

const routing = signature("ticket, age: int -> team: 'billing' | 'delivery', urgent: bool");

test('a prediction is typed by its signature', () => {
  expectTypeOf(predict(routing)).toEqualTypeOf<
    Program<{ ticket: string; age: number }, { team: 'billing' | 'delivery'; urgent: boolean }>
  >();
});

test('an input that is missing is a mistake', () => {
  // @ts-expect-error the age is missing
  predict(routing)({ ticket: 'Where is it?' });
});

test('a chain of thought adds its reasoning', () => {
  expectTypeOf(chainOfThought(routing)).returns.resolves.toEqualTypeOf<
    { team: 'billing' | 'delivery'; urgent: boolean } & { reasoning: string }
  >();
});

test('a program on a model has the type that it had', () => {
  expectTypeOf(predict(routing).withLm).returns.toEqualTypeOf(predict(routing));
});

test('a program of two predictors has the types of its own code', () => {
  const answering = program({
    predictors: { search: signature('question -> words: list[str]'), answer: signature('text -> answer: int') },
    async run({ question }: { question: string }, call) {
      const { words } = await call('search', { question });
      expectTypeOf(words).toEqualTypeOf<string[]>();
      const { answer } = await call('answer', { text: words.join(' ') });
      return { answer, words: words.length };
    },
  });
  expectTypeOf(answering).toEqualTypeOf<Program<{ question: string }, { answer: number; words: number }>>();
});

test('a call names a predictor of the program, and gives it its inputs', () => {
  program({
    predictors: { answer: signature('text -> answer: int') },
    async run({ text }: { text: string }, call) {
      // @ts-expect-error there is no such predictor
      await call('solve', { text });
      // @ts-expect-error the input is called text
      await call('answer', { question: text });
      return call('answer', { text });
    },
  });
});

test('an unknown layout is a mistake', () => {
  // @ts-expect-error there is no such chat format
  predict(routing, { chatFormat: 'xml' });
});
