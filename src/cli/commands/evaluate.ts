import { InputError } from '../../core/errors.ts';
import { evaluate } from '../../evaluate/evaluate-program.ts';
import { scoreText } from '../../report/summary-text.ts';
import { type DataFlags, readGivenSplits } from '../experiment-data.ts';
import { type LoadOptions, loadProgram } from '../load-program.ts';
import { noteModels, type Output } from '../output.ts';
import { metricByName } from '../plan-run.ts';

interface EvaluateFlags extends DataFlags, LoadOptions {
  readonly split: 'train' | 'val' | 'test';
  readonly metric: string;
  readonly maxErrors?: number;
}

/** Measures a saved program on a data file: the rows of one split, or all rows where there is no split column. */
export async function evaluateCommand(
  path: string,
  flags: EvaluateFlags,
  signal: AbortSignal,
  output: Output,
): Promise<void> {
  await using program = await loadProgram(path, flags);
  noteModels(program, output);
  const splits = readGivenSplits(flags, program.structure);
  const isSplit = splits.val !== null || splits.test !== null;
  const examples = isSplit ? splits[flags.split] : splits.train;
  if (!examples || examples.length === 0) {
    throw new InputError(
      'split-empty',
      [`There are no ${flags.split} rows.`],
      'Name another split: --split train, val or test.',
    );
  }
  const { maxErrors } = flags;
  const { score, rows } = await evaluate(program, examples, metricByName(flags.metric), {
    signal,
    ...(maxErrors === undefined ? {} : { maxErrors }),
  });
  const failures = rows.filter(({ failure }) => failure !== null);
  const document = {
    program: path,
    split: isSplit ? flags.split : 'all',
    score,
    failures: failures.length,
    rows: rows.map(({ example, outputs, score: { value }, failure }) => ({
      inputs: example.inputs,
      labels: example.labels,
      outputs,
      score: value,
      failure,
    })),
  };
  output.result(document, () => `${scoreText(score)}, ${failures.length} failures`);
}
