import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Candidate, candidateId, initialCandidate, withPredictor } from '../../src/core/candidate.ts';
import { InputError, TooManyErrors, WorldError } from '../../src/core/errors.ts';
import { type Example, example } from '../../src/core/example.ts';
import { shortId } from '../../src/core/json.ts';
import type { LmRequest, LmResponse } from '../../src/core/lm.ts';
import type { Evaluation, Metric } from '../../src/core/metric.ts';
import { firstAttempt, type Structure } from '../../src/core/program.ts';
import { signature } from '../../src/core/signature.ts';
import { type EvaluationRequest, evaluateCandidate } from '../../src/evaluate/evaluate.ts';
import { answered } from '../support/responses.ts';

const doubling = signature('number -> double: int', 'Double it.');
const structure: Structure = { predictors: { solve: doubling }, run: (inputs, call) => call('solve', inputs) };
const candidate: Candidate = initialCandidate(
  { solve: doubling },
  { chatFormat: 'value', decoding: 'constrained', model: { base: 'b', adapter: null } },
);
const isRight: Metric = ({ labels }, { double }) => double === labels.double;
const numbers = (count: number): Example[] =>
  Array.from({ length: count }, (_, n) => example({ number: String(n) }, { double: 2 * n }));

const usage = { prompt: 1, cachedPrompt: 0, completion: 1 };
const says = (text: string): LmResponse => answered([text]);
const doubled = async ({ prompt }: LmRequest): Promise<LmResponse> => says(String(2 * Number(prompt.user)));

const evaluateWith = (change: Partial<EvaluationRequest>): Promise<Evaluation> =>
  evaluateCandidate({
    structure,
    candidate,
    examples: numbers(3),
    metric: isRight,
    attempt: firstAttempt,
    answer: doubled,
    embed: async () => [],
    concurrency: 1,
    maxErrors: 0,
    leaveOneOut: false,
    ...change,
  });

/** What became of each row: its score, or the failure's kind and message. */
const verdicts = ({ rows }: Evaluation) =>
  rows.map(({ score, failure }) => (failure ? `${failure.kind}: ${failure.message}` : score.value));

test('a row holds the example, the outputs, the calls and the score', async () => {
  const [one] = numbers(2).slice(1);
  const evaluation = await evaluateWith({ examples: [one!] });
  expect(evaluation).toMatchObject({
    candidate: candidateId(candidate),
    mean: 1,
    rows: [{ example: one, outputs: { double: 2 }, score: { value: 1 }, failure: null }],
  });
  expect(evaluation.rows[0]?.trace.map(({ predictor, outputs }) => [predictor, outputs])).toEqual([
    ['solve', { double: 2 }],
  ]);
});

test('rows are in the order of the examples at any concurrency', async () => {
  const rows = fc.asyncProperty(fc.scheduler(), fc.constantFrom(1, 8), async (scheduler, concurrency) => {
    const examples = numbers(12);
    const answer = scheduler.scheduleFunction(doubled);
    const evaluation = await scheduler.waitFor(evaluateWith({ examples, concurrency, answer }));
    expect(evaluation.rows.map((row) => row.example)).toEqual(examples);
    expect(evaluation.mean).toBe(1);
  });
  await fc.assert(rows, { seed: 1, numRuns: 30 });
});

test('never more examples are under way than the concurrency allows', async () => {
  let underWay = 0;
  let most = 0;
  const answer = async (request: LmRequest) => {
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    return doubled(request);
  };
  await evaluateWith({ examples: numbers(20), concurrency: 8, answer });
  expect(most).toBe(8);
});

test.each([0, Number.NaN])('a concurrency of %s is refused', async (concurrency) => {
  await expect(evaluateWith({ concurrency })).rejects.toThrow(InputError);
});

test('an empty evaluation has no rows and no mean', async () => {
  expect(await evaluateWith({ examples: [] })).toEqual({ candidate: candidateId(candidate), rows: [], mean: null });
});

test('progress tells how many rows are done and their mean', async () => {
  const seen: [number, number][] = [];
  await evaluateWith({
    metric: ({ inputs }) => inputs.number === '0',
    onRow: (done, mean) => seen.push([done, mean]),
  });
  expect(seen).toEqual([
    [1, 1],
    [2, 1 / 2],
    [3, 1 / 3],
  ]);
});

test('each way to fail is a row with score 0 and a reason, and the others are scored', async () => {
  const evaluation = await evaluateWith({
    examples: numbers(7),
    maxErrors: 10,
    structure: {
      ...structure,
      run: async (inputs, call) => {
        if (inputs.number === '3') throw new RangeError('no threes');
        return call('solve', inputs);
      },
    },
    answer: async (request) => {
      if (request.prompt.user === '1') return says('two');
      if (request.prompt.user === '2') return { failure: { kind: 'length', message: 'more than 512 tokens' }, usage };
      return doubled(request);
    },
    metric: (row, prediction, trace) => {
      if (row.inputs.number === '4') throw new TypeError('no fours');
      return row.inputs.number === '5' ? Number.NaN : isRight(row, prediction, trace);
    },
  });
  expect(verdicts(evaluation)).toEqual([
    1,
    'parse: "double" is not JSON: "two"',
    'length: more than 512 tokens',
    'program-error: RangeError: no threes',
    'metric-error: TypeError: no fours',
    'metric-error: The metric returned NaN, not a finite number.',
    1,
  ]);
  expect(evaluation.mean).toBe(2 / 7);
});

test('the reason of a failed row is its feedback', async () => {
  const { rows } = await evaluateWith({ examples: numbers(1), answer: async () => says('two') });
  expect(rows[0]?.score).toEqual({ value: 0, feedback: '"double" is not JSON: "two"' });
});

test('a row that only the metric failed keeps what the program answered', async () => {
  const { rows } = await evaluateWith({
    examples: numbers(1),
    maxErrors: 1,
    metric: () => Promise.reject(new Error()),
  });
  expect(rows[0]).toMatchObject({ outputs: { double: 0 }, failure: { kind: 'metric-error' } });
  expect(rows[0]?.trace).toHaveLength(1);
});

test('a metric sees inputs, labels, outputs and calls', async () => {
  const seen: unknown[] = [];
  await evaluateWith({
    examples: numbers(1),
    metric: (given, prediction, trace) => {
      seen.push(given, prediction, trace.length);
      return 1;
    },
  });
  expect(seen).toEqual([{ inputs: { number: '0' }, labels: { double: 0 } }, { double: 0 }, 1]);
});

test('a score of 0 with feedback is kept as it is', async () => {
  const { rows } = await evaluateWith({ examples: numbers(1), metric: () => ({ score: 0, feedback: 'too small' }) });
  expect(rows[0]).toMatchObject({ score: { value: 0, feedback: 'too small' }, failure: null });
});

test('what the model cannot do never counts as an error', async () => {
  const evaluation = await evaluateWith({ examples: numbers(30), maxErrors: 0, answer: async () => says('two') });
  expect(evaluation.mean).toBe(0);
});

test('as many errors as are tolerated are rows', async () => {
  const metric: Metric = ({ inputs }) => {
    if (Number(inputs.number) < 2) throw new Error('small');
    return 1;
  };
  expect(verdicts(await evaluateWith({ examples: numbers(3), maxErrors: 2, metric }))).toEqual([
    'metric-error: Error: small',
    'metric-error: Error: small',
    1,
  ]);
});

/** Throws at the numbers 4, 9, 14, … */
const failsAtFours: Metric = ({ inputs }) => {
  if (Number(inputs.number) % 5 === 4) throw new RangeError(`cannot judge ${inputs.number}`);
  return 1;
};

const errorOf = (running: Promise<unknown>): Promise<unknown> =>
  running.then(
    () => expect.fail('it was not refused'),
    (error: unknown) => error,
  );

test('one error more stops it, and the message has the count, the first example and the stack', async () => {
  const examples = numbers(30);
  const error = await errorOf(evaluateWith({ examples, maxErrors: 2, metric: failsAtFours }));
  expect(error).toBeInstanceOf(TooManyErrors);
  const { message, hint, code } = error as TooManyErrors;
  const [first, second, ...stack] = message.split('\n');
  expect([first, second]).toEqual([
    `3 of the first 15 examples made the metric throw; the first was example ${shortId(examples[4]!.id)} with inputs {"number":"4"}:`,
    'RangeError: cannot judge 4',
  ]);
  expect(stack.join('\n')).toContain('evaluate.test.ts');
  expect([code, hint]).toEqual([
    'too-many-errors',
    'Mend the program or the metric and run the same command again: model calls are remembered. --max-errors N tolerates more.',
  ]);
});

test('errors are counted in example order: the same error stops it at any concurrency and in any timing', async () => {
  const alone = await errorOf(evaluateWith({ examples: numbers(30), maxErrors: 2, metric: failsAtFours }));
  const stops = fc.asyncProperty(fc.scheduler(), fc.constantFrom(2, 8, 30), async (scheduler, concurrency) => {
    const answer = scheduler.scheduleFunction(doubled);
    const stopped = errorOf(
      evaluateWith({ examples: numbers(30), maxErrors: 2, metric: failsAtFours, concurrency, answer }),
    );
    const { message, cause } = (await scheduler.waitFor(stopped)) as TooManyErrors;
    const headline = (text: string) => text.split('\n').slice(0, 2);
    expect(headline(message)).toEqual(headline((alone as TooManyErrors).message));
    expect(cause).toEqual((alone as TooManyErrors).cause);
  });
  await fc.assert(stops, { seed: 2, numRuns: 30 });
});

test('errors of the program are told as such', async () => {
  const broken: Structure = { ...structure, run: () => Promise.reject(new Error('no')) };
  const error = await errorOf(evaluateWith({ structure: broken }));
  expect((error as Error).message).toMatch(/^1 of the first 1 examples made the program throw; /);
});

const dead = new WorldError('host-died', 'The model host ended.', 'Run again.');

test.each([1, 8])('a broken world is thrown at concurrency %i', async (concurrency) => {
  await expect(evaluateWith({ concurrency, answer: () => Promise.reject(dead) })).rejects.toBe(dead);
});

test('a broken world is thrown although the program catches it', async () => {
  const hiding: Structure = { ...structure, run: (given, call) => call('solve', given).catch(() => ({ double: 0 })) };
  const broken = evaluateWith({ structure: hiding, maxErrors: 100, answer: () => Promise.reject(dead) });
  await expect(broken).rejects.toBe(dead);
});

test('a broken world inside of a metric is thrown', async () => {
  await expect(evaluateWith({ maxErrors: 100, metric: () => Promise.reject(dead) })).rejects.toBe(dead);
});

test('an abort is thrown', async () => {
  const abort = new DOMException('This operation was aborted', 'AbortError');
  await expect(evaluateWith({ maxErrors: 100, answer: () => Promise.reject(abort) })).rejects.toBe(abort);
});

test('after an error nothing new is asked', async () => {
  let asked = 0;
  const answer = async (): Promise<LmResponse> => {
    asked++;
    throw dead;
  };
  await errorOf(evaluateWith({ examples: numbers(20), concurrency: 4, answer }));
  expect(asked).toBe(4);
});

test('an example does not see its own demo when it is left out', async () => {
  const [one, two] = numbers(2);
  const demos = [one!, two!].map(({ id, inputs, labels }) => ({ inputs, outputs: labels, source: id }));
  const asked: string[][] = [];
  await evaluateWith({
    candidate: withPredictor(candidate, 'solve', { demos }),
    examples: numbers(3),
    leaveOneOut: true,
    answer: async (request) => {
      asked.push([request.prompt.user, ...request.prompt.turns.map(({ user }) => user)]);
      return doubled(request);
    },
  });
  expect(asked).toEqual([
    ['0', '1'],
    ['1', '0'],
    ['2', '0', '1'],
  ]);
});

test('an evaluation that leaves demos out is still of its candidate', async () => {
  const [one] = numbers(1);
  const demos = [{ inputs: one!.inputs, outputs: one!.labels, source: one!.id }];
  const withDemos = withPredictor(candidate, 'solve', { demos });
  const evaluation = await evaluateWith({ candidate: withDemos, examples: [one!], leaveOneOut: true });
  expect(evaluation.candidate).toBe(candidateId(withDemos));
});
