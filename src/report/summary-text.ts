import Table from 'cli-table3';
import type { CandidateSummary, RunSummary, ScoreInterval } from '../core/summary.ts';

/** The table that a run ends with, for a terminal. */
export function summaryText(summary: RunSummary): string {
  const hasVal = summary.candidates.some(({ val }) => val !== null);
  const opened = summary.candidates.filter(({ test }) => test !== null).length;
  const isExploratory = opened > 2 || (opened === 2 && summary.chosen.strategy === '');
  const table = new Table({
    head: [
      'strategy',
      ...(hasVal ? ['val [95 %]'] : []),
      `sealed test [95 %]${isExploratory ? ' *' : ''}`,
      'failures',
      '',
    ],
    style: { head: [], border: [], compact: true },
  });
  for (const candidate of summary.candidates) {
    const { strategy, val, test, failures } = candidate;
    const name = strategy === '' ? 'baseline' : strategy;
    const isChosen = strategy === summary.chosen.strategy;
    table.push([
      name,
      ...(hasVal ? [scoreText(val)] : []),
      test ? scoreText(test) : 'sealed',
      failures,
      isChosen ? '<- chosen' : '',
    ]);
  }
  const lines = [table.toString()];
  if (isExploratory)
    lines.push('* exploratory: opening the test split for every candidate makes it a second val split.');
  return [
    ...lines,
    verdict(summary),
    '',
    costText(summary),
    ...summary.notices.map(({ message }) => `Note: ${message}`),
  ].join('\n');
}

const percent = (share: number): string => (100 * share).toFixed(1);

export function scoreText(score: ScoreInterval | null): string {
  return score ? `${percent(score.mean)} [${percent(score.low)}, ${percent(score.high)}] n ${score.n}` : '-';
}

/** What the table says, in a sentence, also where it is not what one hoped for. */
function verdict({ candidates, chosen, flagCompilationErrorOccurred }: RunSummary): string {
  const baseline = candidates[0];
  const pick = candidates.find(({ strategy }) => strategy === chosen.strategy);
  const sentences: string[] = [];
  if (chosen.strategy === '')
    sentences.push('No step was better than the baseline on val: the program is returned as it was.');
  else if (baseline?.test && pick?.test) {
    const gain = percent(pick.test.mean - baseline.test.mean);
    const isApart = pick.test.low > baseline.test.high;
    sentences.push(
      `On the sealed test "${chosen.strategy}" gains ${gain} points over the baseline${isApart ? '; the intervals are apart' : ', but the intervals overlap'}.`,
    );
  }
  const last = candidates.at(-1);
  const before = candidates.at(-2);
  if (last && before && last.strategy !== '' && isNotBetter(last, before)) {
    sentences.push(
      `"${last.strategy}" is not better than "${before.strategy === '' ? 'the baseline' : before.strategy}" on val.`,
    );
  }
  if (flagCompilationErrorOccurred) sentences.push('At least one step failed; "better-together show RUN" says why.');
  return sentences.join(' ');
}

const isNotBetter = (later: CandidateSummary, earlier: CandidateSummary): boolean =>
  (later.val?.mean ?? 0) <= (earlier.val?.mean ?? 0);

function costText({ calls, tokens, seconds, starts, reproducible }: RunSummary): string {
  const whole = (count: number) => Math.round(count).toLocaleString('en-US');
  return [
    `calls: ${whole(calls.requested)} requested, ${whole(calls.made)} made, ${whole(calls.remembered)} remembered`,
    `tokens: ${whole(tokens.prompt)} prompt (${whole(tokens.cachedPrompt)} of them cached), ${whole(tokens.completion)} completion`,
    `time: ${seconds.toFixed(1)} s in ${starts.length} start${starts.length === 1 ? '' : 's'}; repeats ${reproducible === 'bytes' ? 'byte for byte' : 'by replaying what is remembered'}`,
  ].join('\n');
}
