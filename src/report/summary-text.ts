import Table from 'cli-table3';
import type { LoadComparison, RunSummary, ScoreInterval } from '../core/summary.ts';
import { spentText } from './budget-text.ts';

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
    summaryVerdict(summary),
    '',
    costText(summary),
    ...(summary.loads ?? []).map(loadText),
    ...summary.notices.map(({ message }) => `Note: ${message}`),
  ].join('\n');
}

const percent = (share: number): string => (100 * share).toFixed(1);

export function scoreText(score: ScoreInterval | null): string {
  return score ? `${percent(score.mean)} [${percent(score.low)}, ${percent(score.high)}] n ${score.n}` : '-';
}

/** What the table says, in a sentence, also where it is not what one hoped for. */
export function summaryVerdict({ candidates, chosen, flagCompilationErrorOccurred }: RunSummary): string {
  const baseline = candidates[0];
  const pick = candidates.find(({ strategy }) => strategy === chosen.strategy);
  const sentences: string[] = [];
  if (chosen.strategy === '') {
    const reason = pick?.val ? 'No step was better than the baseline on val: the' : 'The';
    sentences.push(`${reason} program is returned as it was.`);
  } else if (baseline?.test && pick?.test) sentences.push(gainText(chosen.strategy, baseline.test, pick.test));
  const last = candidates.at(-1);
  const before = candidates.at(-2);
  if (last?.val && before?.val && last.val.mean <= before.val.mean) {
    const earlier = before.strategy === '' ? 'the baseline' : `"${before.strategy}"`;
    sentences.push(`"${last.strategy}" is not better than ${earlier} on val.`);
  }
  if (flagCompilationErrorOccurred) sentences.push('At least one step failed; "better-together show RUN" says why.');
  return sentences.join(' ');
}

function gainText(strategy: string, baseline: ScoreInterval, chosen: ScoreInterval): string {
  const difference = chosen.mean - baseline.mean;
  const points = `${percent(Math.abs(difference))} points`;
  const change = difference < 0 ? `loses ${points} against` : `gains ${points} over`;
  const isApart = chosen.low > baseline.high || chosen.high < baseline.low;
  const certainty = isApart ? '; the intervals are apart' : ', but the intervals overlap';
  return `On the sealed test "${strategy}" ${change} the baseline${certainty}.`;
}

/** What merging changed: a difference of scores within the interval's width is none. */
export function loadText({ step, adapter, merged }: LoadComparison): string {
  const scores = `val ${percent(merged.val?.mean ?? 0)} against ${percent(adapter.val?.mean ?? 0)} n ${merged.val?.n ?? 0}`;
  const [slow, fast] = [adapter.callsPerSecond, merged.callsPerSecond];
  const speed =
    slow === null || fast === null
      ? 'speed not measured, since answers were remembered'
      : `${fast.toFixed(1)} calls a second against ${slow.toFixed(1)} (${fast >= slow ? '+' : ''}${percent(fast / slow - 1)} %)`;
  return `step ${step}, merged against adapter on top of its base: ${scores}; ${speed}`;
}

function costText(summary: RunSummary): string {
  const { calls, tokens, constraint, seconds, starts, reproducible, modelSwitches, budget } = summary;
  const whole = (count: number) => Math.round(count).toLocaleString('en-US');
  const spent = budget ? spentText(budget) : '';
  return [
    `calls: ${whole(calls.requested)} requested, ${whole(calls.made)} made, ${whole(calls.remembered)} remembered`,
    `tokens: ${whole(tokens.prompt)} prompt (${whole(tokens.cachedPrompt)} of them cached), ${whole(tokens.completion)} completion`,
    ...(constraint.forks > 0
      ? [
          `grammar: at ${whole(constraint.overruled)} of ${whole(constraint.forks)} labels' forks and sampled tokens the model would have written something else`,
        ]
      : []),
    ...(spent === '' ? [] : [`budget of the steps: ${spent}`]),
    `time: ${seconds.toFixed(1)} s in ${starts.length} start${starts.length === 1 ? '' : 's'}; repeats ${reproducible === 'bytes' ? 'byte for byte' : 'by replaying what is remembered'}`,
    ...(modelSwitches > 0 ? [`models took turns: ${whole(modelSwitches)} switches`] : []),
  ].join('\n');
}
