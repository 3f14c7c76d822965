import type { Command } from 'commander';
import { firstAttempt } from '../core/program.ts';
import { numberWithin, typed, wholeNumber } from './parse-flags.ts';

/** How answers are drawn; the defaults are greedy. */
export function samplingFlags(command: Command): Command {
  const share = { least: 0, most: 1, mostIncluded: true };
  return command
    .option('--samples <n>', 'answers for each row', typed(wholeNumber('--samples', 1)), 1)
    .option(
      '--temperature <t>',
      '0 is greedy',
      typed(numberWithin('--temperature', { least: 0, most: 100, mostIncluded: true, sample: 0.7 })),
      firstAttempt.temperature,
    )
    .option('--top-k <n>', 'only so many tokens; 0: all', typed(wholeNumber('--top-k', 0)), firstAttempt.topK)
    .option(
      '--top-p <share>',
      'only tokens that together have this share',
      typed(numberWithin('--top-p', { ...share, sample: 0.95 })),
      firstAttempt.topP,
    )
    .option(
      '--min-p <share>',
      'only tokens at least so probable, beside the most probable one',
      typed(numberWithin('--min-p', { ...share, sample: 0.05 })),
      firstAttempt.minP,
    )
    .option(
      '--repetition-penalty <factor>',
      '1: off',
      typed(numberWithin('--repetition-penalty', { least: 0.1, most: 10, mostIncluded: true, sample: 1.1 })),
      firstAttempt.repetitionPenalty,
    )
    .option('--max-tokens <n>', 'of one answer', typed(wholeNumber('--max-tokens', 1)), firstAttempt.maxTokens)
    .option('--seed <n>', 'of the first sample', typed(wholeNumber('--seed', 0)), firstAttempt.seed);
}
