import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { callKeys } from '../../src/core/call-key.ts';
import type { DataSet } from '../../src/core/data-set.ts';
import { WorldError } from '../../src/core/errors.ts';
import type { RunEvent } from '../../src/core/event.ts';
import type { LmRequest, LmResponse } from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';
import type { Store, StoredTraining } from '../../src/core/store.ts';
import { scriptedEngine as engine } from '../support/scripted-model.ts';

/** What every store promises. `open` makes an empty one. */
export function storeContract(name: string, open: () => Store): void {
  describe(`${name} keeps the promises of a store:`, () => {
    let store: Store;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => store.close());

    describe('test evaluations', () => {
      test('are those of all runs, with their examples; train and val are none', () => {
        const evaluation = (split: 'val' | 'test', candidate: string): RunEvent => ({
          type: 'evaluation',
          step: 1,
          split,
          candidate,
          mean: 1,
          rows: [
            { example: 'b', score: 1 },
            { example: 'a', score: 1, failure: 'parse' },
          ],
        });
        store.addEvent('r1', 0, evaluation('val', 'c1'));
        store.addEvent('r1', 1, evaluation('test', 'c1'));
        store.addEvent('r2', 0, { type: 'run-end' });
        store.addEvent('r2', 1, evaluation('test', 'c2'));
        expect(store.testEvaluations()).toEqual([
          { run: 'r1', candidate: 'c1', examples: ['b', 'a'] },
          { run: 'r2', candidate: 'c2', examples: ['b', 'a'] },
        ]);
      });
    });

    describe('embeddings', () => {
      test('are recalled to the last bit, and the first under a key stays', () => {
        const [one, other] = [new Float32Array([0.1, -1e-30, 1 / 3]), new Float32Array([1, 0, 0])];
        store.rememberEmbeddings(new Map([['k1', one]]));
        store.rememberEmbeddings(
          new Map([
            ['k1', other],
            ['k2', new Float32Array(0)],
          ]),
        );
        expect(['k1', 'k2', 'k3'].map(store.recallEmbedding)).toEqual([one, new Float32Array(0), undefined]);
      });
    });

    describe('calls', () => {
      test('an answer is recalled as it was remembered', async () => {
        await store.rememberCall('k1', { ...call, response: answered });
        await store.rememberCall('k2', { ...call, response: failed });
        expect([store.recallCall('k1'), store.recallCall('k2'), store.recallCall('k3')]).toEqual([
          answered,
          failed,
          undefined,
        ]);
      });

      test('the first answer stays, also of two that are written together', async () => {
        const first = store.rememberCall('k1', { ...call, response: answered });
        const second = store.rememberCall('k1', { ...call, response: failed, run: 'other' });
        await Promise.all([first, second]);
        await store.rememberCall('k1', { ...call, response: failed, run: 'other' });
        expect(store.recallCall('k1')).toEqual(answered);
        expect(store.callTotals('other').made).toBe(0);
      });

      test('are counted for the run that made them', async () => {
        await Promise.all([
          store.rememberCall('k1', { ...call, response: answered }),
          store.rememberCall('k2', { ...call, response: failed, start: 2 }),
          store.rememberCall('k3', { ...call, response: failed, run: 'other' }),
        ]);
        expect(store.callTotals('run')).toEqual({
          made: 2,
          promptTokens: 150,
          cachedPromptTokens: 80,
          completionTokens: 7,
          forks: 1,
          overruled: 0,
        });
        expect(store.callTotals('none')).toEqual({
          made: 0,
          promptTokens: 0,
          cachedPromptTokens: 0,
          completionTokens: 0,
          forks: 0,
          overruled: 0,
        });
      });

      test('are listed for the run that made them, in the order in which they came', async () => {
        await store.rememberCall('k2', { ...call, response: failed });
        await store.rememberCall('k3', { ...call, response: failed, run: 'other' });
        await store.rememberCall('k1', { ...call, response: answered, start: 2 });
        expect([store.callKeys('run'), store.callKeys('none')]).toEqual([['k2', 'k1'], []]);
      });

      test('come back with the request and the engine that made them', async () => {
        const { key, shared } = callKeys()(request, engine);
        await store.rememberCall(key, { ...call, user: request.prompt.user, shared, response: answered, start: 2 });
        const { reproducible: _, ...maker } = engine;
        expect(store.call(key)).toEqual({ request, engine: maker, response: answered, start: 2 });
        expect(store.call('none')).toBeUndefined();
      });

      test('a number that is not JSON is refused, not rounded to null, and takes no other call with it', async () => {
        const notJson: LmResponse = { ...answered, usage: { prompt: Number.NaN, cachedPrompt: 0, completion: 0 } };
        const odd = store.rememberCall('k1', { ...call, response: notJson });
        const sound = store.rememberCall('k2', { ...call, response: answered });
        await expect(odd).rejects.toThrow('NaN is not JSON');
        await sound;
        expect([store.recallCall('k1'), store.recallCall('k2')]).toEqual([undefined, answered]);
      });
    });

    test('a training is recalled as it was first remembered', () => {
      store.rememberTraining('t1', training, { rank: 16 });
      store.rememberTraining('t1', { ...training, adapter: 'other' }, { rank: 16 });
      expect([store.recallTraining('t1'), store.recallTraining('t2')]).toEqual([training, undefined]);
    });

    test('remembers a merge under its key, the first one', () => {
      store.rememberMerge('m1', { merged: 'a', gates: { merged: 0.1 } }, { type: 'Q8_0' });
      store.rememberMerge('m1', { merged: 'b', gates: {} }, { type: 'Q8_0' });
      expect([store.recallMerge('m1'), store.recallMerge('m2')]).toEqual([
        { merged: 'a', gates: { merged: 0.1 } },
        undefined,
      ]);
    });

    test('a data set comes back as it was first added, token for token', () => {
      store.addDataSet('d1', dataSet);
      store.addDataSet('d1', { ...dataSet, rows: [] });
      expect([store.dataSet('d1'), store.dataSet('d2')]).toEqual([dataSet, undefined]);
    });

    describe('runs', () => {
      test('are listed newest first, with what they are the hash of', () => {
        at(0, () => store.addRun({ id: 'a', experiment: { seed: 0 } }));
        at(1.007, () => store.addRun({ id: 'b', experiment: { seed: 1 } }));
        at(2, () => store.addRun({ id: 'a', experiment: { seed: 2 } }));
        const a = { id: 'a', createdAt: '2026-01-01T00:00:00.000Z', experiment: { seed: 0 } };
        const b = { id: 'b', createdAt: '2026-01-01T00:00:01.007Z', experiment: { seed: 1 } };
        expect(store.runs()).toEqual([b, a]);
        expect([store.run('a'), store.run('c')]).toEqual([a, undefined]);
      });

      test('keep the first layout of each of their models', () => {
        expect(store.layout('a', 'student')).toBeUndefined();
        store.addLayout('a', 'student', { threads: 2 });
        store.addLayout('a', 'student', { threads: 8 });
        store.addLayout('a', 'teacher', { threads: 1 });
        expect(store.layout('a', 'student')).toEqual({ threads: 2 });
        expect(store.layout('a', 'teacher')).toEqual({ threads: 1 });
        expect(store.layout('b', 'student')).toBeUndefined();
      });

      test('keep their first summary', () => {
        expect(store.summary('a')).toBeUndefined();
        store.addSummary('a', { status: 'done' });
        store.addSummary('a', { status: 'stopped' });
        expect(store.summary('a')).toEqual({ status: 'done' });
      });
    });

    describe('events', () => {
      test('come back in the order of their index', () => {
        store.addEvent('a', 1, chosen);
        store.addEvent('a', 0, started);
        store.addEvent('b', 0, ended);
        expect(store.events('a')).toEqual([started, chosen]);
      });

      test('may be written again when they are equal, in whatever order their names stand', () => {
        store.addEvent('a', 0, chosen);
        store.addEvent('a', 0, { candidate: 'c1', strategy: 'p', type: 'chosen' });
        expect(store.events('a')).toEqual([chosen]);
      });

      test('a different one in the same place is an error that shows both', () => {
        store.addEvent('a', 0, chosen);
        const again = () => store.addEvent('a', 0, ended);
        expect(again).toThrow(WorldError);
        expect(again).toThrow(/event 0 .*"type":"chosen".*"type":"run-end"/);
        expect(store.events('a')).toEqual([chosen]);
      });
    });

    test('examples are found under their ids, and the first under an id stays', () => {
      const [lost, paid] = ['Lost.', 'Paid twice.'].map((ticket) => ({ id: ticket, inputs: { ticket }, labels: {} }));
      store.addExamples([lost!]);
      store.addExamples([{ ...lost!, labels: { team: 'delivery' } }, paid!]);
      expect(['Lost.', 'Paid twice.', 'None.'].map(store.example)).toEqual([lost, paid, undefined]);
    });

    test('the ids of the examples of a run are kept in order, by split; a run without has null', () => {
      const splits = { train: ['b', 'a'], val: [], test: ['c'] };
      store.addSplits('a', splits);
      store.addSplits('a', { train: [], val: [], test: [] });
      expect([store.splits('a'), store.splits('b')]).toEqual([splits, null]);
    });

    test('attempts to reach another machine are counted over all starts of a run', () => {
      store.addNetworkAttempt('a', 1, 'example.org');
      store.addNetworkAttempt('a', 2, 'example.org');
      store.addNetworkAttempt('b', 1, '192.0.2.1');
      expect(['a', 'b', 'c'].map((run) => store.networkAttempts(run))).toEqual([2, 1, 0]);
    });

    describe('starts', () => {
      test('are numbered from 1 in each run', () => {
        expect([store.addStart('a'), store.addStart('a'), store.addStart('b')]).toEqual([1, 2, 1]);
      });

      test('know their calls and how they ended; one that was killed did not', async () => {
        store.addStart('a');
        await store.rememberCall('k1', { ...call, response: answered, run: 'a' });
        await store.rememberCall('k2', { ...call, response: answered, run: 'a' });
        store.addStart('a');
        await store.rememberCall('k3', { ...call, response: answered, run: 'a', start: 2 });
        store.endStart('a', 2, 'done');
        store.endStart('a', 2, 'failed');
        expect(store.starts('a').map(({ number, calls, endedBy }) => ({ number, calls, endedBy }))).toEqual([
          { number: 1, calls: 2, endedBy: null },
          { number: 2, calls: 1, endedBy: 'done' },
        ]);
        expect(store.starts('b')).toEqual([]);
      });

      test('a killed one lasted until the last call or event that it stored, an ended one until its end', async () => {
        at(0, () => store.addStart('a'));
        at(2, () => store.addEvent('a', 0, started));
        await at(7, () => store.rememberCall('k1', { ...call, response: answered, run: 'a' }));
        at(60, () => store.addStart('a'));
        await at(61, () => store.rememberCall('k2', { ...call, response: answered, run: 'a', start: 2 }));
        at(63.5, () => store.addEvent('a', 1, ended));
        at(100, () => store.addStart('a'));
        at(104, () => store.endStart('a', 3, 'done'));
        at(200, () => store.addStart('a'));
        expect(store.starts('a').map(({ seconds }) => seconds)).toEqual([7, 3.5, 4, 0]);
      });

      test('a clock that was set back makes no negative time', () => {
        at(60, () => store.addStart('a'));
        at(50, () => store.endStart('a', 1, 'done'));
        expect(store.starts('a').map(({ seconds }) => seconds)).toEqual([0]);
      });
    });

    describe('spans', () => {
      const remember = (key: string, start: number, run = 'a') =>
        store.rememberCall(key, { ...call, response: answered, run, start });

      test('have the calls and the active time between one event and the next, over all starts', async () => {
        at(0, () => store.addStart('a'));
        at(1, () => store.addEvent('a', 0, started));
        await at(3, () => remember('k1', 1));
        at(4, () => store.addEvent('a', 1, chosen));
        await at(5, () => remember('k2', 1));
        at(60, () => store.addStart('a'));
        await at(62, () => remember('k3', 2));
        at(63, () => store.addEvent('a', 2, ended));
        at(64, () => store.endStart('a', 2, 'done'));
        await remember('k4', 1, 'b');
        const { prompt, cachedPrompt, completion } = answered.usage;
        const tokens = (calls: number) => ({
          promptTokens: calls * prompt,
          cachedPromptTokens: calls * cachedPrompt,
          completionTokens: calls * completion,
        });
        expect(store.spans('a')).toEqual([
          { after: 0, calls: 1, ...tokens(1), seconds: 4 },
          { after: 1, calls: 2, ...tokens(2), seconds: 4 },
          { after: 2, calls: 0, ...tokens(0), seconds: 1 },
        ]);
      });

      test('count a call of the same moment as an event before it', async () => {
        at(0, () => store.addStart('a'));
        at(1, () => store.addEvent('a', 0, started));
        await at(2, () => remember('k1', 1));
        at(2, () => store.addEvent('a', 1, ended));
        expect(store.spans('a').map(({ calls }) => calls)).toEqual([1, 0]);
      });
    });

    describe('files', () => {
      test('are moved in under their id, and found there', () => {
        const source = join(store.workFolder('w'), 'adapter.gguf');
        writeFileSync(source, 'weights');
        expect(store.file('adapter', 'abc')).toBeUndefined();
        const path = store.keepFile('adapter', 'abc', source);
        expect([store.file('adapter', 'abc'), readFileSync(path, 'utf8'), existsSync(source)]).toEqual([
          path,
          'weights',
          false,
        ]);
        expect(path).toMatch(/abc\.gguf$/);
      });

      test('a merged model is kept beside the adapters, not among them', () => {
        const source = join(store.workFolder('w'), 'merged.gguf');
        writeFileSync(source, 'weights');
        const path = store.keepFile('merged', 'abc', source);
        expect([store.file('merged', 'abc'), store.file('adapter', 'abc')]).toEqual([path, undefined]);
      });

      test('a folder is kept whole', () => {
        const source = join(store.workFolder('w'), 'adapter');
        mkdirSync(source);
        writeFileSync(join(source, 'adapter_config.json'), '{}');
        const path = store.keepFile('training', 'abc', source);
        expect(store.file('training', 'abc')).toBe(path);
        expect(readFileSync(join(path, 'adapter_config.json'), 'utf8')).toBe('{}');
      });

      test('what is kept under an id is never replaced', () => {
        const folder = store.workFolder('w');
        writeFileSync(join(folder, 'one'), 'first');
        writeFileSync(join(folder, 'two'), 'second');
        store.keepFile('adapter', 'abc', join(folder, 'one'));
        const path = store.keepFile('adapter', 'abc', join(folder, 'two'));
        expect([readFileSync(path, 'utf8'), existsSync(join(folder, 'two'))]).toEqual(['first', false]);
      });

      test('a work folder keeps its content until it is dropped, and is private', () => {
        const folder = store.workFolder('w');
        writeFileSync(join(folder, 'checkpoint'), '7');
        expect(store.workFolder('w')).toBe(folder);
        expect([existsSync(join(folder, 'checkpoint')), statSync(folder).mode & 0o777]).toEqual([true, 0o700]);
        store.dropWorkFolder('w');
        store.dropWorkFolder('w');
        expect([existsSync(folder), existsSync(dirname(folder))]).toEqual([false, true]);
      });

      test('an id cannot lead out of the store', () => {
        expect(() => store.workFolder('../elsewhere')).toThrow('"../elsewhere" is not an id');
      });
    });

    test('a run is held once, and again after it was let go', () => {
      const release = store.holdRun('a');
      store.holdRun('b')();
      expect(() => store.holdRun('a')).toThrow(`executed by process ${process.pid}`);
      release();
      store.holdRun('a')();
    });
  });
}

/** Does something so many seconds after a fixed moment, as far as the clock says. */
function at<Result>(seconds: number, action: () => Result): Result {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 1) + seconds * 1000 });
  try {
    return action();
  } finally {
    vi.useRealTimers();
  }
}

const request: LmRequest = {
  model: { base: 'base', adapter: null },
  prompt: { system: 'Route it.', turns: [{ user: 'Lost parcel', assistant: 'delivery' }], user: 'Überweisung\0 🙂' },
  answer: [{ type: 'choice', options: ['billing', 'delivery'] }],
  choice: 'greedy',
  sampling: { ...firstAttempt, maxTokens: 8 },
};
const call = {
  user: 'Überweisung 🙂',
  shared: { id: 's1', text: '{"system":"Route it."}' },
  run: 'run',
  start: 1,
};
const answered: LmResponse = {
  failure: null,
  choices: [{ confidence: 0.75, probabilities: [0.75, 0.25] }],
  constraint: { forks: 1, overruled: 0 },
  pieces: ['bill\u2028ing "\0"'],
  completionIds: [4, 2],
  usage: { prompt: 100, cachedPrompt: 80, completion: 2 },
};
const failed: LmResponse = {
  failure: { kind: 'length', message: 'no end' },
  usage: { prompt: 50, cachedPrompt: 0, completion: 5 },
};
const training: StoredTraining = {
  adapter: 'abc',
  steps: 2,
  keptStep: 1,
  losses: [{ step: 1, loss: 0.1 + 0.2 }],
  heldOutLosses: [{ step: 1, loss: 1 / 3 }],
  forgetting: { positions: 3, meanKl: 0.1, worstKl: 0.2 },
  supervisedTokens: 12,
  seconds: 1.5,
  gates: { passed: true },
};
const dataSet: DataSet = {
  base: 'base',
  rows: [
    {
      predictor: 'predict',
      example: 'e1',
      from: 'labelled',
      label: 'billing',
      prompt: { system: '', turns: [], user: 'Überweisung 🙂' },
      pieces: ['{"', 'billing', '"}'],
      given: 1,
      promptIds: [1, 2, 3],
      completionIds: [49_000, 2],
      texts: ['<|im_start|>', '', '🙂', 'billing', '<|im_end|>'],
    },
  ],
};
const started: RunEvent = {
  type: 'run-start',
  seed: 0,
  strategy: 'p',
  splits: { train: 't', val: 'v', test: 's' },
};
const chosen: RunEvent = { type: 'chosen', strategy: 'p', candidate: 'c1' };
const ended: RunEvent = { type: 'run-end' };
