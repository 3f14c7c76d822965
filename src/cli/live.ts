import { createLogUpdate } from 'log-update';
import pc from 'picocolors';
import prettyMs from 'pretty-ms';
import type { BudgetState } from '../core/budget.ts';
import type { LiveEvent, Progress, RunEvent } from '../core/event.ts';
import { leftText } from '../report/budget-text.ts';
import { findingLines } from '../report/data-report-text.ts';
import { dataSetLines } from '../report/data-set-text.ts';
import { trainingLines } from '../report/training-text.ts';
import { now } from '../system/clock.ts';
import { followLeader, type Leader } from './leader.ts';

export interface LiveView {
  show(event: LiveEvent): void;
  end(): void;
}

interface LiveOptions {
  readonly stream: NodeJS.WriteStream;
  /** Requests that the whole run will make, roughly. */
  readonly expectedCalls: number;
}

/** What is being tried, the best so far, calls done and left, time left, training loss: a moving line on a terminal, plain lines elsewhere. */
export function liveView({ stream, expectedCalls }: LiveOptions): LiveView {
  const draw = stream.isTTY ? createLogUpdate(stream) : null;
  const started = now();
  let calls = { requested: 0, made: 0, remembered: 0 };
  let budget: BudgetState | null = null;
  let current = '';
  const leaderAfter = followLeader();
  let best: Leader | null = null;
  let note = 'baseline';
  let lastPlainLine = started;

  const line = (text: string) => {
    draw?.clear();
    stream.write(`${text}\n`);
  };
  const timeLeft = (): string => {
    const elapsed = now() - started;
    // Only calls that were really made tell the speed.
    if (calls.made < 20 || calls.requested >= expectedCalls) return '';
    const left = ((expectedCalls - calls.requested) * elapsed) / Math.max(1, calls.requested);
    return `, about ${prettyMs(left, { compact: true })} left`;
  };
  const budgetLeft = (): string => {
    const left = budget === null ? '' : leftText(budget);
    return left === '' ? '' : ` · budget left: ${left}`;
  };
  const status = (): string => {
    const left = Math.max(0, expectedCalls - calls.requested);
    const top = best ? ` · best ${percent(best.mean)} (${best.what})` : '';
    return `${current}${top} · ${calls.requested} calls done${left > 0 ? `, about ${left} to go` : ''}${timeLeft()}${budgetLeft()}`;
  };
  const refresh = (isNews: boolean) => {
    if (draw) draw(pc.dim(status()));
    else if (isNews || now() - lastPlainLine > plainLineEveryMs) {
      lastPlainLine = now();
      stream.write(`  ${status()}\n`);
    }
  };
  const onProgress = (progress: Progress) => {
    if (progress.type === 'calls') {
      calls = progress;
      budget = progress.budget;
    } else if (progress.type === 'data') for (const text of findingLines(progress.report)) line(pc.yellow(`  ${text}`));
    else if (progress.type === 'phase') line(`  ${progress.phase} …`);
    else if (progress.type === 'training') {
      current = `training: step ${progress.step} of ${progress.steps}, loss ${progress.loss.toFixed(3)}, ${prettyMs(1000 * progress.secondsLeft, { compact: true })} left`;
    } else
      current = `${progress.what}: ${progress.done}/${progress.total}${progress.mean === null ? '' : `, ${percent(progress.mean)} so far`}`;
    // Every ten steps of a training, and its first, are worth a line even where lines are rare.
    const isNews = progress.type === 'training' && (progress.step === 1 || progress.step % 10 === 0);
    if (progress.type !== 'calls' && progress.type !== 'data') refresh(isNews);
  };
  return {
    show(event) {
      if (event.type === 'progress') return onProgress(event.progress);
      if (event.type === 'candidate-proposed') note = event.note;
      if (event.type === 'step-end') note = event.strategy;
      best = leaderAfter(event, note);
      const text = eventText(event, note);
      const isBorder = event.type === 'step-start' || event.type === 'step-end';
      if (text) line(isBorder ? text + budgetLeft() : text);
    },
    end: () => draw?.done(),
  };
}

const plainLineEveryMs = 10_000;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A line or two for an event; null for those that say nothing to a person. */
function eventText(event: RunEvent, note: string): string | null {
  switch (event.type) {
    case 'step-start':
      return pc.bold(`step ${event.step}: ${event.key} (${event.optimizer})`);
    case 'evaluation':
      if (event.split === 'train' || event.mean === null) return null;
      return `  ${event.split === 'test' ? 'sealed test' : note}: ${percent(event.mean)} on ${event.rows.length} ${event.split} rows`;
    case 'rows-made':
      return event.summary
        ? dataSetLines(event.summary)
            .map((line) => `  ${line}`)
            .join('\n')
        : null;
    case 'trained':
      return trainingLines(event)
        .map((line) => `  ${line}`)
        .join('\n');
    case 'gate':
      return `  gate ${event.gate}: mean KL ${event.parity.meanKl} over ${event.parity.positions} positions`;
    case 'rows-rescored':
      return `  gate rows: ${event.parity.meanDifference} nats apart on ${event.parity.tokens} tokens of ${event.parity.rows} train rows`;
    case 'step-end':
      return event.val === null ? `  ${event.strategy}` : `  ${event.strategy}: ${percent(event.val)} on val`;
    case 'step-failed':
      return pc.red(`  step ${event.step} (${event.key}) failed: ${event.message}`);
    case 'time-over':
      return pc.yellow('  the limit in minutes is reached: the steps begin nothing new');
    case 'notice':
      return pc.yellow(`note: ${event.notice.message}`);
    default:
      return null;
  }
}
