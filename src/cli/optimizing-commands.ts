import type { Command } from 'commander';
import { dataFolder } from '../system/folders.ts';
import { checkCommand } from './commands/check.ts';
import { runPlanned } from './commands/run.ts';
import { demoFlags } from './demo.ts';
import { type CommonFlags, common, data, describing, importing, machine, search } from './options.ts';
import { typed, wholeNumber } from './parse-flags.ts';
import { planRun, type RunFlags } from './plan-run.ts';
import { setUpInTerminal } from './setup.ts';
import { withOutput } from './with-output.ts';

/** From setting up to a finished run. */
export function addOptimizingCommands(cli: Command, signal: AbortSignal): void {
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
}
