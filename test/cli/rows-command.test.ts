import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RowsFlags, rowsCommand } from '../../src/cli/commands/rows.ts';
import { showCommand } from '../../src/cli/commands/runs.ts';
import type { Output } from '../../src/cli/output.ts';
import { predict } from '../../src/core/callable.ts';
import { InputError, StepError } from '../../src/core/errors.ts';
import type { StepDataSet } from '../../src/core/step-data-set.ts';
import type { Store } from '../../src/core/store.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { localModel } from '../../src/lm/llama/local-model.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { sqliteStore } from '../../src/store/sqlite-store.ts';
import { betterTogether } from '../support/command-line.ts';
import { numbers, parity } from '../support/parity-task.ts';
import { scriptedTrainer } from '../support/scripted-trainer.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

// Tokens of a real tokenizer; the training itself is refused, which leaves the data set and ends the step.

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;
let store: Store;
let run: string;
let promptRun: string;
const storePath = () => join(folder, 'runs.sqlite');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'better-together-rows-'));
  store = sqliteStore(storePath());
  await using lm = await localModel({ gguf: writeTinyModel(join(folder, 'tiny.gguf')), device: 'cpu', threads: 1 });
  const refusing = scriptedTrainer({
    onTrain: () => {
      throw new StepError('refused', 'No training today.', '');
    },
  });
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 4,
    now: () => 0,
    openStore: () => store,
    trainer: () => refusing,
    onNetworkAttempt: () => () => {},
    optimizers: () => ({ p: labeledFewShot({ k: 1 }), w: bootstrapFinetune({ rows: 'labelled' }) }),
  });
  const compile = (strategy: 'p' | 'w -> w') =>
    together({ metric: exactMatch() }).compile(predict(parity).withLm(lm), {
      trainset: numbers(0, 3),
      valset: numbers(3, 5),
      strategy,
      store,
    });
  run = (await compile('w -> w')).summary.run;
  promptRun = (await compile('p')).summary.run;
});
afterAll(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What the command gives: its document, and what it says to a person. */
function printed(flags: Partial<RowsFlags>, id = run): { readonly document: unknown; readonly text: string } {
  return printedBy((output) => rowsCommand(store, id.slice(0, 12), { mask: false, ...flags }, output));
}

function printedBy(command: (output: Output) => void): { readonly document: unknown; readonly text: string } {
  const results: { document: unknown; text: string }[] = [];
  command({
    human: process.stderr,
    note: () => {},
    result: (document, humanText) => results.push({ document, text: humanText() }),
  });
  expect(results).toHaveLength(1);
  return results[0]!;
}

const refusalOf = (flags: Partial<RowsFlags>, id = run): InputError => {
  try {
    printed(flags, id);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  return expect.fail('nothing was refused');
};

interface Mask {
  readonly row: number;
  readonly predictor: string;
  readonly label: string;
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly trained: boolean }[];
}

// `as` here and below: documents of this command.
const maskOf = (row: number): Mask => printed({ mask: true, row }).document as Mask;

describe('better-together rows', () => {
  test('lists the data sets of every weight step in figures', () => {
    const { document, text } = printed({});
    const { dataSets } = document as { dataSets: readonly StepDataSet[] };
    expect(dataSets.map(({ step, key, rows, from }) => [step, key, rows, from])).toEqual([
      [1, 'w', 3, { bootstrapped: 0, labelled: 3 }],
      [2, 'w', 3, { bootstrapped: 0, labelled: 3 }],
    ]);
    expect(text).toMatch(
      /^step 1 \(w\): data set [0-9a-f]{12}\n {2}rows: 3 \(0 bootstrapped, 3 labelled\) with \d+ tokens/,
    );
    expect(text).toContain('labels: even 2, odd 1; left out: nothing');
  });

  test('takes one step on request', () => {
    const { dataSets } = printed({ step: 2 }).document as { dataSets: readonly StepDataSet[] };
    expect(dataSets.map(({ step }) => step)).toEqual([2]);
  });

  test('masks a row by the ids that were trained: the answer from its first free token on, and the end of the turn', () => {
    const { tokens, row, label } = maskOf(1);
    const [dataSet] = store
      .events(run)
      .flatMap((event) => (event.type === 'rows-made' ? [store.dataSet(event.rows)!] : []));
    const { promptIds, completionIds } = dataSet!.rows[0]!;
    expect(row).toBe(1);
    expect(tokens.filter(({ trained }) => trained).map(({ id }) => id)).toEqual(completionIds);
    expect(tokens.filter(({ trained }) => !trained).map(({ id }) => id)).toEqual(promptIds);
    const trained = tokens.filter((token) => token.trained).map(({ text }) => text);
    expect(trained.join('')).toBe(`${label}"}<|im_end|>`);
    const { text } = printed({ mask: true });
    expect(text.split('\n')[0]).toMatch(
      /^row 1 of 6: step 1 \(w\), predictor predict, labelled from example [0-9a-f]{12}$/,
    );
    expect(text).toContain(`<|im_start|>assistant\n{"kind": "${trained.map((token) => `⟦${token}⟧`).join('')}`);
    expect(text).toContain('Is the number odd or even?');
  });

  test('numbers rows over all steps, and within one on request', () => {
    const firstOfSecond = printed({ mask: true, step: 2 }).document as Mask;
    const { tokens } = maskOf(4);
    expect(tokens).toEqual(firstOfSecond.tokens);
  });

  test('exports chat JSONL, for this user only, and leaves a file that is there as it is', () => {
    const file = join(folder, 'rows.jsonl');
    expect(printed({ jsonl: file, step: 1 })).toEqual({ document: { file, rows: 3 }, text: `3 rows in ${file}` });
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    const [first] = lines.map((line) => JSON.parse(line));
    expect(lines).toHaveLength(3);
    expect(first.messages.map(({ role }: { role: string }) => role)).toEqual(['system', 'user', 'assistant']);
    expect(first.messages.at(-1).content).toMatch(/^\{"kind": "(odd|even)"\}$/);
    expect(first).toMatchObject({ predictor: 'predict', source: { from: 'labelled' } });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    writeFileSync(file, 'mine');
    expect(refusalOf({ jsonl: file })).toMatchObject({ code: 'file-exists', message: expect.stringContaining(file) });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test.each<[string, Partial<RowsFlags>, string, string]>([
    ['a step without rows', { step: 3 }, 'step-without-rows', '1, 2'],
    ['a row that is not there', { mask: true, row: 7 }, 'row-unknown', '1 to 6'],
    ['two forms at once', { mask: true, jsonl: 'x.jsonl' }, 'rows-flags', '--mask'],
    ['a row without a mask', { row: 2 }, 'rows-flags', '--mask'],
  ])('refuses %s and says what there is', (_, flags, code, hint) => {
    expect(refusalOf(flags)).toMatchObject({ code, hint: expect.stringContaining(hint) });
  });

  test('says that a run without a weight step has none', () => {
    expect(printed({}, promptRun).document).toEqual({ run: promptRun, dataSets: [] });
    expect(printed({}, promptRun).text).toContain('has no data set. Only weight steps have');
    expect(refusalOf({ mask: true }, promptRun)).toMatchObject({ code: 'no-data-set' });
  });

  test('works on the command line, without the model file', async () => {
    rmSync(join(folder, 'tiny.gguf'));
    const given = ['rows', run, '--mask', '--store', storePath()];
    const [human, machine] = [
      await betterTogether(given, { cwd: folder }),
      await betterTogether([...given, '--json'], { cwd: folder }),
    ];
    expect([human.exitCode, human.stdout.includes('⟦<|im_end|>⟧')]).toEqual([0, true]);
    expect(JSON.parse(machine.stdout)).toEqual(printed({ mask: true }).document);
    const missing = await betterTogether(['rows', run, '--store', 'no.sqlite'], { cwd: folder });
    expect([missing.exitCode, existsSync(join(folder, 'no.sqlite'))]).toEqual([2, false]);
  });
});

test('show has the same lines', () => {
  const { text } = printedBy((output) => showCommand(store, run, output));
  expect(text).toContain('  rows: 3 (0 bootstrapped, 3 labelled)');
  expect(text).toContain('  labels: even 2, odd 1; left out: nothing');
});
