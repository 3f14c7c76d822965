#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import type { Sampling } from '../core/lm.ts';
import { dataFolder, defaultStorePath } from '../system/folders.ts';
import { watchThisProcess } from '../system/network.ts';
import { exportArchive, importArchive } from './commands/archive.ts';
import { checkCommand } from './commands/check.ts';
import { type CompareFlags, compareCommand } from './commands/compare.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { predictCommand } from './commands/predict.ts';
import { type ReportFlags, reportCommand } from './commands/report.ts';
import { type RowsFlags, rowsCommand } from './commands/rows.ts';
import { runPlanned } from './commands/run.ts';
import { runsCommand, showCommand } from './commands/runs.ts';
import { type VerifyFlags, verifyCommand } from './commands/verify.ts';
import { demoFlags } from './demo.ts';
import { existingStore } from './existing-store.ts';
import { exitCodeOf, explain } from './exit.ts';
import { type Output, output } from './output.ts';
import { fraction, gathered, positiveNumber, typed, wholeNumber } from './parse-flags.ts';
import { planRun, type RunFlags } from './plan-run.ts';
import { samplingFlags } from './sampling-flags.ts';
import { setUpInTerminal } from './setup.ts';
import { operatorSignal } from './signals.ts';
import { defaults, sqliteStore } from './wiring.ts';

interface CommonFlags {
  readonly json: boolean;
  readonly store: string;
}

const common = (command: Command): Command =>
  command
    .option('--json', 'print exactly one JSON document on stdout', false)
    .option('--store <file>', 'the SQLite file that remembers everything', defaultStorePath());

const machine = (command: Command): Command =>
  command
    .addOption(
      new Option('--device <device>', 'where models run and train')
        .choices(['auto', 'cpu', 'cuda', 'metal'])
        .default('auto'),
    )
    .option(
      '--threads <n>',
      'threads of host and trainer (default: the free cores)',
      typed(wholeNumber('--threads', 1)),
    )
    .option('--context <tokens>', 'context of one sequence', typed(wholeNumber('--context', 128)));

const importing = (command: Command): Command =>
  command
    .option(
      '--allow-untested-architecture',
      'train also a model of an architecture that was never compared with llama.cpp: the gates decide',
    )
    .option('--base-folder <folder>', 'a Hugging Face folder of the model, to train on in place of the GGUF file');

const search = (command: Command): Command =>
  command
    .option('--strategy <keys>', 'keys of optimizers joined by arrows (default: "p -> w -> p")')
    .option('--optimizer <key=name>', 'the optimizer under a key', gathered, [])
    .option('--set <key.parameter=value>', 'a parameter of an optimizer', gathered, [])
    .option('--seed <n>', "the run's seed (default: 0)", typed(wholeNumber('--seed', 0)))
    .option('--max-calls <n>', 'requests to models that the steps may make', typed(wholeNumber('--max-calls', 1)))
    .option(
      '--max-metric-calls <n>',
      'examples that the steps may evaluate, each as often as they do',
      typed(wholeNumber('--max-metric-calls', 1)),
    )
    .option(
      '--max-tokens <n>',
      'prompt and completion tokens that the steps may use',
      typed(wholeNumber('--max-tokens', 1)),
    )
    .option(
      '--max-minutes <minutes>',
      'active time after which no step begins anything new',
      typed(positiveNumber('--max-minutes')),
    )
    .option(
      '--max-errors <n>',
      'exceptions of program or metric that are tolerated in one evaluation',
      typed(wholeNumber('--max-errors', 0)),
    )
    .addOption(new Option('--step-start <from>', 'where a step starts').choices(['best', 'latest']))
    .addOption(
      new Option('--prompt-start <from>', 'the prompts a prompt step starts from').choices(['current', 'original']),
    )
    .addOption(new Option('--on-step-error <what>', 'after a failed step').choices(['continue', 'stop']))
    .addOption(new Option('--open-test <who>', 'who is measured on the sealed test').choices(['chosen', 'all']))
    .option('--allow-leaks', 'go on although test rows stand in train or val too')
    .addOption(new Option('--selection <rule>', 'what the result is picked by').choices(['best-mean', 'significant']))
    .option('--crossed', 'measure every weights with every prompt on val: which of them a gain came from');

const data = (command: Command): Command =>
  command
    .option('--data <file>', 'JSONL, JSON or CSV, with a split column or to be split')
    .option('--train <file>')
    .option('--val <file>')
    .option('--test <file>')
    .option('--split-column <name>', 'the column that says train, val or test', 'split');

const describing = (command: Command): Command =>
  command
    .option('--signature <text>', `such as "ticket -> team: 'billing' | 'delivery'"`)
    .option('--instructions <text>', 'what the model is asked to do')
    .addOption(new Option('--predictor <kind>').choices(['predict', 'chain-of-thought']).default('predict'))
    .addOption(new Option('--chat-format <name>').choices(['json', 'value', 'lines', 'markers']).default('json'))
    .addOption(new Option('--decoding <how>').choices(['constrained', 'free']).default('constrained'))
    .option(
      '--metric <name>',
      'exact-match, contains, f1 or numeric-match; exact-match:field for one field',
      'exact-match',
    )
    .option(
      '--val-ratio <share>',
      'of the train rows, where there is no val split',
      typed(fraction('--val-ratio')),
      0.2,
    )
    .option('--test-ratio <share>', 'of the rows, where there is no test split', typed(fraction('--test-ratio')), 0.25)
    .option('--teacher <place>', 'a GGUF file or an endpoint that shows the student how it is done')
    .option(
      '--prompt-model <place>',
      'a GGUF file or an endpoint that writes the proposals; default: the student itself',
    );

type PredictFlags = CommonFlags &
  Sampling &
  Omit<Parameters<typeof predictCommand>[1], 'sampling'> & { readonly model?: string };

function commandLine(signal: AbortSignal): Command {
  const cli = new Command('better-together')
    .description('Optimizes prompts (p) and weights (w) of a local language model together: p -> w -> p.')
    .version(defaults.version)
    .showHelpAfterError('The same command with --help lists what it knows.')
    .exitOverride();
  const withOutput =
    <F extends CommonFlags, A extends readonly unknown[]>(
      work: (out: Output, flags: F, ...args: A) => Promise<void> | void,
    ) =>
    // Commander hands over: arguments, flags, command.
    async (...given: unknown[]) => {
      // `as`: the flags are the declared ones of this command.
      const flags = given.at(-2) as F;
      await work(output(flags.json), flags, ...(given.slice(0, -2) as unknown as A));
    };

  common(
    cli.command('setup').description('make the Python environment and the default model (npm run setup in a checkout)'),
  ).action(
    withOutput(async (out) => {
      const made = await setUpInTerminal(process.stderr, signal);
      out.result({ status: 'done', made }, () => (made ? 'Everything is set up.' : 'Everything was set up already.'));
    }),
  );

  machine(search(common(cli.command('demo').description('optimize the default model on support tickets')))).action(
    withOutput(async (out, flags: RunFlags & CommonFlags) => {
      await setUpInTerminal(process.stderr, signal);
      const planned = await planRun(undefined, demoFlags(flags, dataFolder()));
      await runPlanned(planned, { storePath: flags.store, signal, output: out });
    }),
  );

  const run = cli
    .command('run')
    .argument('[experiment]', 'an experiment file (.ts or .js)')
    .option('--model <place>', 'a GGUF file, or an endpoint: http://host:port/v1#model-name')
    .description('optimize; running again resumes');
  importing(machine(search(describing(data(common(run)))))).action(
    withOutput(async (out, flags: RunFlags & CommonFlags, file: string | undefined) => {
      await runPlanned(await planRun(file, flags), { storePath: flags.store, signal, output: out });
    }),
  );

  describing(
    data(
      common(
        cli
          .command('check')
          .argument('[experiment]', 'an experiment file (.ts or .js)')
          .option('--seed <n>', 'draws the splits that the data does not name', typed(wholeNumber('--seed', 0)))
          .description('look at data for leaks, repetitions and rows that nobody can learn, without a model'),
      ),
    ),
  ).action(
    withOutput(async (out, flags: RunFlags & CommonFlags, file: string | undefined) => {
      if (!(await checkCommand(file, flags, out))) process.exitCode = 2;
    }),
  );

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

  machine(
    data(common(cli.command('evaluate').argument('<program>', 'program.json of a run')))
      .description('measure a saved program on data')
      .option('--model <place>', 'where the base model is now: a GGUF file or an endpoint')
      .addOption(new Option('--split <name>').choices(['train', 'val', 'test']).default('test'))
      .option('--metric <name>', 'as in run', 'exact-match')
      .option('--max-errors <n>', 'exceptions that are tolerated', typed(wholeNumber('--max-errors', 0))),
  ).action(
    withOutput(
      (
        out,
        { model, ...flags }: CommonFlags & Parameters<typeof evaluateCommand>[1] & { model?: string },
        path: string,
      ) => evaluateCommand(path, { ...flags, ...(model ? { gguf: model } : {}) }, signal, out),
    ),
  );

  samplingFlags(machine(common(cli.command('predict').argument('<program>', 'program.json of a run'))))
    .description('ask a saved program')
    .option('--model <place>', 'where the base model is now: a GGUF file or an endpoint')
    .option('--input <json>', 'the inputs of one row')
    .option('--data <file>', 'rows to predict on')
    .option('--trace', 'show the messages that were sent, demos chosen for this question included')
    .action(
      withOutput((out, { model, samples, ...flags }: PredictFlags, path: string) => {
        const { temperature, topK, topP, minP, repetitionPenalty, maxTokens, seed, ...rest } = flags;
        const sampling = { temperature, topK, topP, minP, repetitionPenalty, maxTokens, seed };
        return predictCommand(path, { ...rest, samples, sampling, ...(model ? { gguf: model } : {}) }, signal, out);
      }),
    );
  return cli;
}

// Before anything else runs: what this program tries to reach is part of a run's record.
watchThisProcess();
const { signal, wasTold } = operatorSignal();
try {
  await commandLine(signal).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`${explain(error)}\n`);
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(explainJson(error), null, 2)}\n`);
    process.exitCode = wasTold() ? 130 : exitCodeOf(error);
  }
}

/** The one document of a command that failed. */
function explainJson(error: unknown) {
  const status = exitCodeOf(error) === 2 ? 'failed' : 'stopped';
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected';
  const hint = error instanceof Error && 'hint' in error ? String(error.hint) : '';
  return { status, error: { code, message: error instanceof Error ? error.message : String(error), hint } };
}
