import { describe, expect, test } from 'vitest';
import type { AdapterFile } from '../../src/core/lm.ts';
import type { WeightsContext } from '../../src/lm/llama/context.ts';
import type { Prefix } from '../../src/lm/llama/prefix.ts';
import { createScheduler, type Job } from '../../src/lm/llama/scheduler.ts';
import type { Slot } from '../../src/lm/llama/slot.ts';
import { type Steps, weigh } from '../../src/lm/llama/steps.ts';

/** Slots that write down what is done with them; a pass takes a turn of the event loop and gives the number of its tokens. */
function recordingSlots(count: number, name = 'base') {
  const log: string[] = [];
  let expected = 0;
  let inFlight: string[] = [];
  const slots = Array.from({ length: count }, (_, id): Slot => {
    let holds: Prefix | null = null;
    return {
      id,
      get holds() {
        return holds;
      },
      async prepare(prefix) {
        log.push(`${name}: ${holds?.key === prefix.key ? 'keep' : 'put'} ${prefix.key} in ${id}`);
        holds = prefix;
      },
      async rewind() {},
      async perform(step) {
        inFlight.push(`${step.tokens.join('')}@${id}`);
        await new Promise(setImmediate);
        if (inFlight.length > 0) log.push(`${name}: pass ${inFlight.join(' ')} of ${expected}`);
        inFlight = [];
        return { kind: 'weigh', logits: [step.tokens.length], top: 0, logWeight: 0 };
      },
      async settle() {},
    };
  });
  const context: WeightsContext = {
    slots,
    pass: (rows, work) => {
      expected = rows;
      return work();
    },
    dispose: async () => {},
  };
  return { log, context };
}

/** A job that makes these passes, each of its digits a token, and gives the sum of their logits. */
function job(prefix: string, ...passes: string[]): Job<number> {
  function* steps(): Steps<number> {
    let sum = 0;
    for (const pass of passes) sum += (yield* weigh({ keep: 0, tokens: [...pass].map(Number) }, [0])).logits[0]!;
    return sum;
  }
  return {
    adapter: null,
    prefix: { key: prefix, ids: [1], parent: null },
    signal: new AbortController().signal,
    steps,
    onStart() {},
  };
}

const broken = (error: unknown): never => {
  throw error;
};
const scheduler = (context: WeightsContext) => createScheduler({ contextFor: async () => context, onBroken: broken });

describe('the scheduler', () => {
  test('evaluates prompts alone and single tokens of all rows together, in slot order', async () => {
    const { log, context } = recordingSlots(3);
    const { run } = scheduler(context);
    const sums = await Promise.all([run(job('p', '11', '1')), run(job('p', '22', '2', '2')), run(job('p', '33', '3'))]);
    expect(sums).toEqual([3, 4, 3]);
    expect(log).toEqual([
      'base: put p in 0',
      'base: put p in 1',
      'base: put p in 2',
      'base: pass 11@0 of 1',
      'base: pass 22@1 of 1',
      'base: pass 33@2 of 1',
      'base: pass 1@0 2@1 3@2 of 3',
      'base: pass 2@1 of 1',
    ]);
  });

  test('gives a row the slot that holds its prefix, and otherwise the one used longest ago', async () => {
    const { log, context } = recordingSlots(2);
    const { run } = scheduler(context);
    for (const prefix of ['p', 'q', 'p', 'r', 'p']) await run(job(prefix, '1'));
    expect(log.filter((line) => !line.includes('pass'))).toEqual([
      'base: put p in 0',
      'base: put q in 1',
      'base: keep p in 0',
      'base: put r in 1',
      'base: keep p in 0',
    ]);
  });

  test('does not run two sets of weights at once', async () => {
    const contexts = new Map([null, 'a'].map((sha256) => [sha256, recordingSlots(2, sha256 ?? 'base')]));
    const order: string[] = [];
    const contextFor = async (adapter: AdapterFile | null) => {
      order.push(adapter?.sha256 ?? 'base');
      return contexts.get(adapter?.sha256 ?? null)!.context;
    };
    const { run } = createScheduler({ contextFor, onBroken: broken });
    const adapter = { sha256: 'a', path: 'a.gguf' };
    const jobs = [job('p', '1', '1'), { ...job('p', '2'), adapter }, job('p', '3', '3'), { ...job('p', '4'), adapter }];
    await Promise.all(jobs.map(run));
    expect(order).toEqual(['base', 'a']);
    expect(contexts.get('a')!.log.at(-1)).toBe('a: pass 2@0 4@1 of 2');
  });

  test('drops a job between two passes, and its slot goes to the next', async () => {
    const { log, context } = recordingSlots(1);
    const { run } = scheduler(context);
    const drop = new AbortController();
    const dropped = run({ ...job('p', '1', '1', '1'), signal: drop.signal, onStart: () => drop.abort('enough') });
    const next = run(job('p', '2'));
    await expect(dropped).rejects.toBe('enough');
    expect(await next).toBe(1);
    expect(log.filter((line) => line.includes('pass'))).toEqual(['base: pass 2@0 of 1']);
  });

  test('fails a job that throws, and no other', async () => {
    const { context } = recordingSlots(2);
    const { run } = scheduler(context);
    // biome-ignore lint/correctness/useYield: it fails before its first pass
    const steps = function* (): Steps<number> {
      throw new Error('no such plan');
    };
    const [bad, good] = await Promise.allSettled([run({ ...job('p'), steps }), run(job('p', '1'))]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'no such plan' } });
    expect(good).toEqual({ status: 'fulfilled', value: 1 });
  });

  test('fails the jobs whose weights cannot be opened, and serves the others', async () => {
    const { context } = recordingSlots(2);
    const contextFor = async (adapter: AdapterFile | null) => {
      if (adapter) throw new Error('another model’s adapter');
      return context;
    };
    const { run } = createScheduler({ contextFor, onBroken: broken });
    const adapter = { sha256: 'a', path: 'a.gguf' };
    const results = await Promise.allSettled([run({ ...job('p', '1'), adapter }), run(job('p', '1'))]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  test('reports a pass that fails as broken', async () => {
    const { context } = recordingSlots(1);
    const failing = { ...context.slots[0]!, perform: async () => Promise.reject(new Error('Eval has failed')) };
    const error = await new Promise((resolve) => {
      const { run } = createScheduler({
        contextFor: async () => ({ ...context, slots: [failing] }),
        onBroken: resolve,
      });
      void run(job('p', '1'));
    });
    expect(error).toMatchObject({ message: 'Eval has failed' });
  });
});
