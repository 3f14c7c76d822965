import { type Command, Option } from 'commander';
import { defaultStorePath } from '../system/folders.ts';
import { fraction, gathered, positiveNumber, typed, wholeNumber } from './parse-flags.ts';

export interface CommonFlags {
  readonly json: boolean;
  readonly store: string;
}

/** What every command takes. */
export const common = (command: Command): Command =>
  command
    .option('--json', 'print exactly one JSON document on stdout', false)
    .option('--store <file>', 'the SQLite file that remembers everything', defaultStorePath());

/** Where models run. */
export const machine = (command: Command): Command =>
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

/** How a model becomes one that can be trained. */
export const importing = (command: Command): Command =>
  command
    .option(
      '--allow-untested-architecture',
      'train also a model of an architecture that was never compared with llama.cpp: the gates decide',
    )
    .option('--base-folder <folder>', 'a Hugging Face folder of the model, to train on in place of the GGUF file');

/** How a strategy searches. */
export const search = (command: Command): Command =>
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

/** Where examples come from. */
export const data = (command: Command): Command =>
  command
    .option('--data <file>', 'JSONL, JSON or CSV, with a split column or to be split')
    .option('--train <file>')
    .option('--val <file>')
    .option('--test <file>')
    .option('--split-column <name>', 'the column that says train, val or test', 'split');

/** What the task is, without an experiment file. */
export const describing = (command: Command): Command =>
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
