import { describe, expect, test } from 'vitest';
import { mapPredictors } from '../../src/core/candidate.ts';
import { firstAttempt, prepare } from '../../src/core/program.ts';
import { problem } from './laboratory.ts';
import { writer } from './laboratory-writer.ts';
import { asOurPrompt, type ChatMessage, studentAnswer, writerAnswer } from './peer-chat.ts';
import { holm, signFlipTest } from './peer-statistics.ts';
import { asCandidate, openJob, optimizers, problems } from './peers.ts';

const given = problem({ helps: 'both', predictors: 2 });

const question = (ticket: string, topic: string) =>
  `[[ ## ticket ## ]]\n${ticket}\n\n[[ ## topic ## ]]\n${topic}\n\nRespond with the corresponding output fields, starting with the field \`[[ ## team ## ]]\`.`;

const messages = (system: string, ticket: string): ChatMessage[] => [
  { role: 'system', content: system },
  { role: 'user', content: '[[ ## ticket ## ]]\nmy parcel\n\n[[ ## topic ## ]]\ntransport' },
  { role: 'assistant', content: '[[ ## team ## ]]\ndelivery\n\n[[ ## completed ## ]]\n' },
  { role: 'user', content: question(ticket, 'transport') },
];

describe("a prompt in DSPy's layout", () => {
  test('is read as the prompt that our own layout makes of the same inputs and demos', () => {
    const candidate = asCandidate(given, {
      find: { instructions: 'Find.', demos: [] },
      route: { instructions: 'Route.', demos: [{ ticket: 'my parcel', topic: 'transport', team: 'delivery' }] },
    });
    const ours = prepare(given.structure, candidate, firstAttempt).request('route', {
      ticket: 'a ticket',
      topic: 'transport',
    });
    const theirs = asOurPrompt(given, messages('Route.', 'a ticket'));
    expect(theirs.name).toBe('route');
    expect(theirs.prompt.user).toBe(ours.prompt.user);
    expect(theirs.prompt.turns.map(({ user }) => user)).toEqual(ours.prompt.turns.map(({ user }) => user));
  });

  test('is answered as ours is, row by row', async () => {
    const instructions = 'Look for parcel.';
    const candidate = mapPredictors(given.start, (state) => ({ ...state, instructions }));
    const { request, read } = prepare(given.structure, candidate, firstAttempt);
    const bare = (ticket: string): ChatMessage[] => [
      { role: 'system', content: instructions },
      { role: 'user', content: `[[ ## ticket ## ]]\n${ticket}` },
    ];
    for (const { inputs } of given.test) {
      const response = await given.student().generate(request('find', inputs), { adapter: null });
      const ours = read('find', response.failure ? '' : response.pieces.join(''));
      const theirs = await studentAnswer(given, bare(String(inputs.ticket)));
      expect(theirs).toBe(`[[ ## topic ## ]]\n${ours.topic}\n\n[[ ## completed ## ]]\n`);
    }
  });

  test('of no predictor is refused', () => {
    const odd: ChatMessage[] = [{ role: 'user', content: '[[ ## colour ## ]]\nred' }];
    expect(() => asOurPrompt(given, odd)).toThrow('No predictor takes these inputs: colour');
  });
});

describe('the prompt model', () => {
  const sampling = { temperature: 1, seed: 0 };

  test("fills each output that DSPy's system message lists", async () => {
    const system = 'Your output fields are:\n1. `summary` (str): Short.\nAll interactions will be structured';
    const answer = await writerAnswer(
      writer({ finds: 1 }),
      [
        { role: 'system', content: system },
        { role: 'user', content: 'my router' },
      ],
      sampling,
    );
    expect(answer).toMatch(/^\[\[ ## summary ## \]\]\n.*Look for router\.\n\n\[\[ ## completed ## \]\]\n$/);
  });

  test('writes between fences where nothing is listed', async () => {
    const answer = await writerAnswer(writer({ finds: 1 }), [{ role: 'user', content: 'my router' }], sampling);
    expect(answer).toMatch(/^```\n.*Look for router\.\n```$/);
  });

  test('answers the same question anew each time', async () => {
    const job = openJob({ optimizer: 'gepa', problem: 'both help', seed: 0 });
    const ask = () =>
      job.writer({ messages: [{ role: 'user', content: 'invoice parcel password router' }], temperature: 1 });
    const answers = [await ask(), await ask(), await ask(), await ask()];
    expect(new Set(answers).size).toBeGreaterThan(1);
  });
});

describe('a job', () => {
  test.each(Object.keys(optimizers))('of %s gives ours no more metric calls than the peer made', async (optimizer) => {
    const job = openJob({ optimizer, problem: 'both help, 2 predictors', seed: 1 });
    const program = Object.fromEntries(
      job.told.predictors.map(({ name, instructions }) => [name, { instructions, demos: [] }]),
    );
    const { theirs, ours } = await job.close({ program, metricCalls: 90 });
    expect(theirs).toEqual({ score: job.start, metricCalls: 90 });
    expect(ours.metricCalls).toBeLessThanOrEqual(90);
    expect(ours.metricCalls).toBeGreaterThan(16);
  });

  test('tells what the peer needs to make the program, and no test row', () => {
    const { told } = openJob({ optimizer: 'gepa', problem: 'instructions help, 2 predictors', seed: 0 });
    expect(told.predictors.map(({ name, inputs, outputs }) => [name, inputs, Object.keys(outputs)])).toEqual([
      ['find', ['ticket'], ['topic']],
      ['route', ['ticket', 'topic'], ['team']],
    ]);
    expect([told.train.length, told.val.length]).toEqual([24, 16]);
  });

  test('has a metric that gives a row and a prompt one grade, noise or not', async () => {
    const name = Object.keys(problems).find((one) => problems[one]!.noise !== undefined)!;
    const job = openJob({ optimizer: 'miproV2', problem: name, seed: 0 });
    const asked = (prompt: string) =>
      job.metric({
        inputs: { ticket: 'x' },
        labels: { team: 'billing' },
        outputs: { team: 'billing' },
        prompts: [prompt],
      });
    expect(await asked('one')).toEqual(await asked('one'));
    const grades = await Promise.all(Array.from({ length: 50 }, (_, index) => asked(`${index}`)));
    const noise = grades.filter(({ score }) => score !== 0.9);
    expect(noise.length).toBeGreaterThan(10);
    expect(noise.length).toBeLessThan(30);
  });
});

describe('the tests', () => {
  test('of sign flips count the ways that are as low', () => {
    expect(signFlipTest([-1, -1, -1])).toBe(1 / 8);
    expect(signFlipTest([1, 1, 1])).toBe(1);
    expect(signFlipTest([-2, 1])).toBe(1 / 2);
    expect(signFlipTest([0, 0])).toBe(1);
    // Of 2^20 ways one.
    expect(signFlipTest(Array(20).fill(-0.15))).toBe(2 ** -20);
  });

  test("of several problems are adjusted in Holm's way", () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holm([0.5, 0.9])).toEqual([1, 1]);
  });
});
