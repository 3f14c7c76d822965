import type { Command } from 'commander';
import { exportArchive, importArchive } from './commands/archive.ts';
import { type CompareFlags, compareCommand } from './commands/compare.ts';
import { type ReportFlags, reportCommand } from './commands/report.ts';
import { type RowsFlags, rowsCommand } from './commands/rows.ts';
import { runsCommand, showCommand } from './commands/runs.ts';
import { type VerifyFlags, verifyCommand } from './commands/verify.ts';
import { existingStore } from './existing-store.ts';
import { type CommonFlags, common } from './options.ts';
import { gathered, typed, wholeNumber } from './parse-flags.ts';
import { sqliteStore } from './wiring.ts';
import { withOutput } from './with-output.ts';

/** What can be done with the runs that a store remembers. */
export function addStoreCommands(cli: Command, signal: AbortSignal): void {
  common(cli.command('runs').description('the runs of a store')).action(
    withOutput((out, { store: path }: CommonFlags) => {
      const store = sqliteStore(path);
      try {
        runsCommand(store, out);
      } finally {
        store.close();
      }
    }),
  );

  common(
    cli
      .command('show')
      .argument('<run>', 'the beginning of its id')
      .description('one run: path, results, the prompt that won'),
  ).action(
    withOutput((out, { store: path }: CommonFlags, id: string) => {
      const store = sqliteStore(path);
      try {
        showCommand(store, id, out);
      } finally {
        store.close();
      }
    }),
  );

  common(
    cli
      .command('rows')
      .argument('<run>', 'the beginning of its id')
      .option('--step <n>', 'only the data sets of this step', typed(wholeNumber('--step', 1)))
      .option('--jsonl <file>', 'write the rows as chat JSONL')
      .option('--mask', 'print a row with the tokens marked that are trained', false)
      .option('--row <n>', 'which row --mask prints (default: 1)', typed(wholeNumber('--row', 1)))
      .description('what the weight steps of a run were trained on'),
  ).action(
    withOutput((out, { store: path, ...flags }: CommonFlags & RowsFlags, id: string) => {
      const store = existingStore(path);
      try {
        rowsCommand(store, id, flags, out);
      } finally {
        store.close();
      }
    }),
  );

  common(
    cli
      .command('report')
      .argument('<run>', 'the beginning of its id')
      .option('--out <file>', 'where to write it (default: the folder reports beside the store)')
      .description('one run as one HTML file: path, candidates, prompts, examples, trainings, costs'),
  ).action(
    withOutput((out, { store: path, ...flags }: CommonFlags & ReportFlags, id: string) => {
      const store = existingStore(path);
      try {
        reportCommand(store, id, flags, out);
      } finally {
        store.close();
      }
    }),
  );

  common(
    cli
      .command('compare')
      .argument('<run...>', 'the beginnings of their ids; each is compared with the first')
      .option('--html <file>', 'write the comparison as a page too')
      .description('runs beside each other: configuration, results, and tests on the examples that they share'),
  ).action(
    withOutput((out, { store: path, ...flags }: CommonFlags & CompareFlags, ids: readonly string[]) => {
      const store = existingStore(path);
      try {
        compareCommand(store, ids, flags, out);
      } finally {
        store.close();
      }
    }),
  );

  common(
    cli
      .command('verify')
      .argument('<run>', 'the beginning of its id, or an archive')
      .option('--sample <n>', 'how many of its calls', typed(wholeNumber('--sample', 1)), 50)
      .option('--all', 'every call', false)
      .option('--seed <n>', 'chooses the sample', typed(wholeNumber('--seed', 0)), 0)
      .option('--model <gguf>', 'where a model of the run lies now; can be given several times', gathered, [])
      .description('ask calls of a run again: is every answer the stored one?'),
  ).action(
    withOutput(async (out, flags: CommonFlags & VerifyFlags, id: string) => {
      if (!(await verifyCommand(id, flags, signal, out))) process.exitCode = 1;
    }),
  );

  common(
    cli
      .command('export')
      .argument('<run>', 'the beginning of its id')
      .requiredOption('--archive <file>', 'the run with its data, calls and adapters in one file')
      .description('hand a run over'),
  ).action(
    withOutput((out, { store, archive }: CommonFlags & { readonly archive: string }, id: string) =>
      exportArchive(id, { store, archive }, out),
    ),
  );

  common(
    cli.command('import').argument('<archive>', 'what export wrote').description('take a run of another machine in'),
  ).action(withOutput((out, { store }: CommonFlags, file: string) => importArchive(file, store, out)));
}
