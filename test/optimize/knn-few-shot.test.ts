import { expect, test } from 'vitest';
import { candidateOf, chainOfThought, predict } from '../../src/core/callable.ts';
import type { Candidate } from '../../src/core/candidate.ts';
import { type Example, example } from '../../src/core/example.ts';
import { signature } from '../../src/core/signature.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { knnFewShot } from '../../src/optimize/knn-few-shot.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { type MiproSettings, miproParameters } from '../../src/optimize/mipro/settings.ts';
import { searchSpace } from '../../src/optimize/mipro/space.ts';
import { simba } from '../../src/optimize/simba/simba.ts';
import { type ContextOptions, optimizerContext } from '../support/optimizer-context.ts';
import { scriptedModel } from '../support/scripted-model.ts';

const routing = signature("ticket -> team: 'billing' | 'delivery'", 'Route it.');
const ticket = (text: string, team: string): Example => example({ ticket: text }, { team });

const train = [
  ticket('the invoice is wrong', 'billing'),
  ticket('the invoice came twice', 'billing'),
  ticket('a parcel is late', 'delivery'),
  ticket('a parcel is lost', 'delivery'),
];
const val = [ticket('where is the parcel', 'delivery'), ticket('whose invoice is it', 'billing')];

/** Says what the last demo says, and billing without any. */
const copier = () =>
  scriptedModel(({ prompt: { turns } }) => [turns.at(-1)?.assistant.includes('delivery') ? 'delivery' : 'billing']);

function setting(options: Partial<ContextOptions> = {}, model = copier()) {
  const program = predict(routing).withLm(model);
  const made = optimizerContext(model, program.structure, { train, val, ...options });
  return { ...made, model, start: candidateOf(program) };
}

const shownTo = (model: ReturnType<typeof copier>, user: string) =>
  model.requests
    .filter(({ prompt }) => prompt.user === user && prompt.turns.length > 0)
    .map(({ prompt: { turns } }) => turns.map((turn) => turn.user));

test('shows each question the examples that are most like it, and is judged by that', async () => {
  const { context, model, start } = setting();
  const { candidate, trials } = await knnFewShot({ k: 2 }).optimize(start, context);
  expect(trials.map(({ score }) => score)).toEqual([0.5, 1]);
  expect(candidate.predictors.predict).toMatchObject({ nearest: 2 });
  expect(candidate.predictors.predict?.demos).toHaveLength(4);
  const [shown] = shownTo(model, 'where is the parcel');
  expect(new Set(shown)).toEqual(new Set(['a parcel is late', 'a parcel is lost']));
});

test('embeds each text once, also when it is a demo, a question, and judged twice', async () => {
  const { context, model, start } = setting({ val: [] });
  const { candidate } = await knnFewShot({ k: 1 }).optimize(start, context);
  await context.evaluate(candidate, train, { leaveOneOut: true });
  expect(model.embedded).toHaveLength(train.length);
});

test('never shows an example to itself where train serves as val', async () => {
  const { context, model, start } = setting({ val: [] });
  const { trials } = await knnFewShot({ k: 1 }).optimize(start, context);
  expect(shownTo(model, 'a parcel is late')).toEqual([['a parcel is lost']]);
  expect(trials.map(({ score }) => score)).toEqual([0.5, 1]);
});

test('shows fewer where most examples are too long, and says so', async () => {
  const { context, notices, start } = setting();
  const { candidate } = await knnFewShot({ k: 4, maxDemoTokens: 100 }).optimize(start, context);
  expect(candidate.predictors.predict).toMatchObject({ nearest: 2 });
  expect(candidate.predictors.predict?.demos).toHaveLength(4);
  expect(notices).toEqual(['demos-too-long']);
});

test('leaves out a few that are too long rather than show fewer, and says so', async () => {
  const usual = Array.from({ length: 10 }, (_, index) => ticket(`parcel ${index} is late`, 'delivery'));
  const long = ticket(`parcel ${'x'.repeat(200)}`, 'delivery');
  const { context, notices, start } = setting({ train: [...usual, long] });
  const { candidate } = await knnFewShot({ k: 3, maxDemoTokens: 150, keepStart: false }).optimize(start, context);
  const { demos, nearest } = candidate.predictors.predict!;
  expect([nearest, demos.length, demos.some(({ source }) => source === long.id)]).toEqual([3, 10, false]);
  expect(notices).toEqual(['demos-too-long']);
});

test('shows what a teacher got right as it did it, and the other examples as they are labelled', async () => {
  const teacher = scriptedModel(({ prompt }) => [`about ${prompt.user}"`, 'delivery']);
  const program = chainOfThought(routing).withLm(teacher);
  const made = optimizerContext(teacher, program.structure, { train, val });
  const plain = knnFewShot({ k: 1, keepStart: false });
  const start = candidateOf(program);
  expect((await plain.optimize(start, made.context)).candidate).toEqual(start);
  expect(made.notices).toEqual(['no-labelled-demos']);
  const { candidate } = await plain.with({ fewShotBootstrapArgs: {} }).optimize(start, made.context);
  const outputs = candidate.predictors.predict!.demos.map((demo) => demo.outputs);
  expect(new Set(outputs.map(({ reasoning }) => reasoning))).toEqual(
    new Set(['about a parcel is late', 'about a parcel is lost']),
  );
});

test('labelled examples fill up what the teacher got wrong', async () => {
  const { context, start } = setting();
  const optimizer = knnFewShot({ fewShotBootstrapArgs: { maxLabeledDemos: 0 }, keepStart: false });
  const { demos } = (await optimizer.optimize(start, context)).candidate.predictors.predict!;
  expect(new Set(demos.map(({ inputs }) => inputs.ticket))).toEqual(new Set(train.map(({ inputs }) => inputs.ticket)));
});

test('an unknown bootstrap argument is refused by name', () => {
  expect(() => knnFewShot({ fewShotBootstrapArgs: { maxErrors: 3 } as never })).toThrow('maxErrors');
});

const nearest = async (given: ReturnType<typeof setting>): Promise<Candidate> =>
  (await knnFewShot({ k: 1, keepStart: false }).optimize(given.start, given.context)).candidate;

test('a later demo optimizer shows its own demos to every question', async () => {
  const given = setting();
  const later = labeledFewShot({ k: 2, keepStart: false });
  const { candidate } = await later.optimize(await nearest(given), given.context);
  expect(candidate.predictors.predict).not.toHaveProperty('nearest');
  expect(candidate.predictors.predict?.demos).toHaveLength(2);
});

test('simba goes on with the choice, and drops none of the demos', async () => {
  const given = setting({ train: [...train, ticket('a parcel of invoices', 'billing')] });
  const { trials } = await simba({ maxSteps: 1 }).optimize(await nearest(given), given.context);
  const states = trials.map(({ candidate }) => candidate.predictors.predict!);
  expect(new Set(states.map((state) => state.nearest))).toEqual(new Set([1]));
  expect(new Set(states.map(({ demos }) => demos.length))).toEqual(new Set([5]));
});

test('miproV2 has the choice among its options, as the start has it, beside lists that all questions are shown', async () => {
  const given = setting();
  const start = await nearest(given);
  // `as`: what the schema has made of no parameters.
  const settings = miproParameters.parse({}) as MiproSettings;
  const demoSets = [{ predict: start.predictors.predict!.demos.slice(0, 2) }];
  const space = await searchSpace(given.context, { start, settings, instructions: {}, demoSets });
  const [own, other] = await Promise.all([space.build(space.start!), space.build([...space.start!.slice(0, -1), 1])]);
  expect(own).toEqual(start);
  expect(other.predictors.predict).not.toHaveProperty('nearest');
  expect(other.predictors.predict?.demos).toHaveLength(2);
});

test('a weight step trains without demos, or with those that each row would be shown but for itself', async () => {
  const given = setting();
  const start = await nearest(given);
  const bare = await bootstrapFinetune({ rows: 'labelled' }).optimize(start, given.context);
  expect(bare.candidate.predictors.predict).not.toHaveProperty('nearest');
  const shown = await bootstrapFinetune({ rows: 'labelled', rowDemos: 'current' }).optimize(start, given.context);
  expect(shown.candidate.predictors.predict).toMatchObject({ nearest: 1, demos: start.predictors.predict?.demos });
  const [without, current] = given.orders.map(({ rows }) =>
    rows.map(({ prompt: { turns, user } }) => [user, ...turns.map((turn) => turn.user)]).sort(),
  );
  expect(without).toEqual(train.map(({ inputs }) => [inputs.ticket]).sort());
  expect(current).toEqual([
    ['a parcel is late', 'a parcel is lost'],
    ['a parcel is lost', 'a parcel is late'],
    ['the invoice came twice', 'the invoice is wrong'],
    ['the invoice is wrong', 'the invoice came twice'],
  ]);
});
