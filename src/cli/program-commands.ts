import { type Command, Option } from 'commander';
import type { Sampling } from '../core/lm.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { predictCommand } from './commands/predict.ts';
import { type CommonFlags, common, data, machine } from './options.ts';
import { typed, wholeNumber } from './parse-flags.ts';
import { samplingFlags } from './sampling-flags.ts';
import { withOutput } from './with-output.ts';

type PredictFlags = CommonFlags &
  Sampling &
  Omit<Parameters<typeof predictCommand>[1], 'sampling'> & { readonly model?: string };

/** What can be done with a saved program. */
export function addProgramCommands(cli: Command, signal: AbortSignal): void {
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
}
