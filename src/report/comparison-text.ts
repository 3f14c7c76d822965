import Table from 'cli-table3';
import { shortId } from '../core/json.ts';
import { differenceText, secondsText, strategyName, valueText, whole } from './figures.ts';
import type { RunComparison, RunPair } from './run-comparison.ts';
import { scoreText } from './summary-text.ts';

/** How runs compare, for a terminal: first in what they differ, then what they came to, then example by example. */
export function comparisonText({ runs, differences, pairs }: RunComparison): string {
  const configuration = plainTable(['', ...runs.map(({ run }) => shortId(run))]);
  for (const { name, values } of differences) configuration.push([name, ...values.map(valueText)]);
  const results = plainTable(['run', 'result', 'val [95 %]', 'sealed test [95 %]', 'calls', 'time']);
  for (const { run, strategy, isFinished, val, test, calls, seconds } of runs)
    results.push([
      shortId(run),
      `${strategyName(strategy)}${isFinished ? '' : ' (not finished)'}`,
      scoreText(val),
      scoreText(test),
      whole(calls),
      secondsText(seconds),
    ]);
  return [
    differences.length === 0 ? 'The experiments are the same.' : `In what the experiments differ:\n${configuration}`,
    `What they came to:\n${results}`,
    ...pairs.map((pair) => pairText(pair, runs[0]?.run ?? '')),
  ].join('\n');
}

const plainTable = (head: string[]) => new Table({ head, style: { head: [], border: [], compact: true } });

/** One run against the first in a sentence. */
export function pairText({ run, split, shared, paired }: RunPair, first: string): string {
  const names = `${shortId(run)} against ${shortId(first)}`;
  if (split === null || paired === null) return `${names}: no example was measured in both, so nothing can be said.`;
  const where = split === 'test' ? 'of the sealed test' : 'of val';
  return `${names}, on ${whole(shared)} shared examples ${where}: ${differenceText(paired)} points, ${paired.won} won, ${paired.lost} lost, by chance ${paired.chance.toFixed(3)}.`;
}
