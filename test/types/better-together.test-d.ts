import { expectTypeOf, test } from 'vitest';
import { predict } from '../../src/core/callable.ts';
import type { Fields } from '../../src/core/json.ts';
import type { Metric } from '../../src/core/metric.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import { signature } from '../../src/core/signature.ts';
import { evaluate } from '../../src/evaluate/evaluate-program.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import type { betterTogetherOver, Optimized } from '../../src/run/better-together.ts';
import type { CompileOptions } from '../../src/run/compile-options.ts';

// Only types are looked at here: nothing of this is run.
declare const betterTogether: ReturnType<typeof betterTogetherOver>;
declare const optimizers: { readonly gepa: Optimizer; readonly lora: Optimizer };

const trainset = [{ ticket: 'Where is it?', team: 'delivery' }];
const student = predict(signature("ticket -> team: 'billing' | 'delivery'"));
const metric = exactMatch('team');

test('a strategy of known keys compiles', () => {
  const own = betterTogether({ metric, optimizers });
  own.compile(student, { trainset, strategy: 'gepa -> lora -> gepa' });
  own.compile(student, { trainset, strategy: 'lora->gepa' });
  own.compile(student, { trainset, strategy: 'lora' });
});

test('an unknown key in a strategy is a mistake', () => {
  const own = betterTogether({ metric, optimizers });
  // @ts-expect-error there is no optimizer "p"
  own.compile(student, { trainset, strategy: 'gepa -> p' });
  // @ts-expect-error there is no optimizer with an empty key
  own.compile(student, { trainset, strategy: 'gepa -> ' });
});

test('without optimizers the keys are p and w', () => {
  const ours = betterTogether({ metric });
  ours.compile(student, { trainset, strategy: 'p -> w -> p' });
  // @ts-expect-error there is no optimizer "x"
  ours.compile(student, { trainset, strategy: 'p -> x' });
});

test('a strategy that is only known at run time compiles', () => {
  betterTogether({ metric, optimizers }).compile(student, { trainset, strategy: 'gepa -> lora' as string });
});

test('arguments of a step are for a known key', () => {
  const own = betterTogether({ metric, optimizers });
  own.compile(student, { trainset, optimizerCompileArgs: { gepa: { budget: 3 } }, strategy: 'gepa' });
  // @ts-expect-error there is no optimizer "p"
  own.compile(student, { trainset, optimizerCompileArgs: { p: { budget: 3 } }, strategy: 'gepa' });
});

test('an option that does not exist is a mistake', () => {
  // @ts-expect-error it is called stepStart
  betterTogether({ metric }).compile(student, { trainset, stepFrom: 'best' });
});

test('an optimized program has the type of the student', () => {
  const run = betterTogether({ metric }).compile(student, { trainset });
  expectTypeOf<Awaited<typeof run>>().toEqualTypeOf<Optimized<typeof student>>();
  expectTypeOf<Parameters<Awaited<typeof run>>[0]>().toEqualTypeOf<{ ticket: string }>();
  expectTypeOf<ReturnType<Awaited<typeof run>>>().resolves.toEqualTypeOf<{ team: 'billing' | 'delivery' }>();
});

test('data is needed', () => {
  expectTypeOf<{ seed: number }>().not.toExtend<CompileOptions<string>>();
});

test('a metric sees the outputs that it asks for', () => {
  const own: Metric<{ team: string }> = ({ labels }, { team }, trace) => team === labels.team && trace.length === 1;
  expectTypeOf(own).parameter(0).toEqualTypeOf<{ readonly inputs: Fields; readonly labels: Fields }>();
  betterTogether({ metric: own }).compile(student, { trainset });
});

test('what a metric may return is a number, right or wrong, or these with feedback', () => {
  expectTypeOf(() => 0.5).toExtend<Metric>();
  expectTypeOf(() => true).toExtend<Metric>();
  expectTypeOf(async () => ({ score: true, feedback: 'good' })).toExtend<Metric>();
  expectTypeOf(() => 'right').not.toExtend<Metric>();
  expectTypeOf(() => ({ feedback: 'good' })).not.toExtend<Metric>();
});

test('an evaluation takes a metric of the outputs of its program', () => {
  void evaluate(student, [], ({ labels }, { team }) => team === labels.team);
  // @ts-expect-error the program has no output "colour"
  void evaluate(student, [], (_, { colour }) => colour === 'red');
});
