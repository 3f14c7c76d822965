import Table from 'cli-table3';
import type { RunEvent } from '../../core/event.ts';
import { type Json, shortId } from '../../core/json.ts';
import type { SignatureFields } from '../../core/signature.ts';
import type { Store, StoredRun } from '../../core/store.ts';
import type { RunSummary } from '../../core/summary.ts';
import { dataSetLines } from '../../report/data-set-text.ts';
import { promptText } from '../../report/prompt-text.ts';
import { summaryText } from '../../report/summary-text.ts';
import { trainingLines } from '../../report/training-text.ts';
import { findRun } from '../find-run.ts';
import type { Output } from '../output.ts';

// `as` in this file: a store holds what our own run layer wrote into it.
const summaryOf = (store: Store, run: string): RunSummary | undefined =>
  store.summary(run) as unknown as RunSummary | undefined;
const field = (run: StoredRun, name: string): Json =>
  (run.experiment as { readonly [name: string]: Json })[name] ?? null;

/** The runs of a store, newest first. */
export function runsCommand(store: Store, output: Output): void {
  const runs = store.runs().map((run) => {
    const summary = summaryOf(store, run.id);
    const starts = store.starts(run.id);
    const chosen = summary?.candidates.find(({ strategy }) => strategy === summary.chosen.strategy);
    return {
      run: run.id,
      created: run.createdAt,
      strategy: field(run, 'strategy'),
      seed: field(run, 'seed'),
      status: summary ? 'done' : 'stopped',
      endedBy: starts.at(-1)?.endedBy ?? null,
      calls: store.callTotals(run.id).made,
      chosen: chosen ? { strategy: chosen.strategy, val: chosen.val, test: chosen.test } : null,
    };
  });
  output.result(runs, () => {
    if (runs.length === 0) return `${store.name} has no runs yet.`;
    const table = new Table({
      head: ['run', 'created', 'strategy', 'seed', 'status', 'calls', 'chosen', 'test'],
      style: { head: [], border: [], compact: true },
    });
    for (const { run, created, strategy, seed, status, endedBy, calls, chosen } of runs) {
      const state = status === 'done' ? 'done' : `stopped (${endedBy ?? 'killed'}): run it again`;
      table.push([
        shortId(run),
        created,
        String(strategy),
        String(seed),
        state,
        calls,
        chosen ? chosen.strategy || 'baseline' : '',
        chosen?.test ? (100 * chosen.test.mean).toFixed(1) : '',
      ]);
    }
    return table.toString();
  });
}

/** One run: its path, what was tried, its result and the prompt that won. `id` may be the beginning of an id. */
export function showCommand(store: Store, id: string, output: Output): void {
  const run = findRun(store, id);
  const summary = summaryOf(store, run.id);
  const events = store.events(run.id);
  const predictors = field(run, 'predictors') as unknown as { readonly [name: string]: SignatureFields };
  const document = {
    run: run.id,
    created: run.createdAt,
    status: summary ? 'done' : 'stopped',
    experiment: run.experiment,
    starts: store.starts(run.id),
    events,
    curves: events.flatMap((event) => (event.type === 'trained' ? curveOf(store, event.training) : [])),
    summary: summary ?? null,
  };
  output.result(document, () =>
    [
      `run ${run.id}, created ${run.createdAt}`,
      `strategy ${field(run, 'strategy')}, seed ${field(run, 'seed')}`,
      ...events.flatMap(eventLine),
      ...(summary
        ? ['', summaryText(summary), '', 'The prompt that won:', promptText(predictors, summary.chosen.candidate)]
        : ['not finished: the same command again goes on from here']),
    ].join('\n'),
  );
}

/** The losses of a training, step by step; an empty list where another store has it. */
function curveOf(store: Store, training: string) {
  const trained = store.recallTraining(training);
  if (!trained) return [];
  const { adapter, losses, heldOutLosses } = trained;
  return [{ training, adapter, losses, heldOutLosses }];
}

function eventLine(event: RunEvent): string[] {
  switch (event.type) {
    case 'step-start':
      return [`step ${event.step}: ${event.key} (${event.optimizer}) from ${shortId(event.from)}`];
    case 'candidate-proposed':
      return [`  ${shortId(event.id)} ${event.note}`];
    case 'evaluation':
      return event.mean === null
        ? []
        : [
            `  ${shortId(event.candidate)} ${event.split}: ${(100 * event.mean).toFixed(1)} on ${event.rows.length} rows`,
          ];
    case 'rows-made':
      return event.summary ? dataSetLines(event.summary).map((line) => `  ${line}`) : [];
    case 'trained':
      return trainingLines(event).map((line) => `  ${line}`);
    case 'gate':
      return [`  gate ${event.gate}: mean KL ${event.parity.meanKl} over ${event.parity.positions} positions`];
    case 'rows-rescored': {
      const { meanDifference, tokens, rows } = event.parity;
      return [`  gate rows: ${meanDifference} nats apart on ${tokens} tokens of ${rows} train rows`];
    }
    case 'step-failed':
      return [`  failed (${event.code}): ${event.message}`];
    case 'step-end':
      return [`  -> ${shortId(event.to)}${event.val === null ? '' : `, val ${(100 * event.val).toFixed(1)}`}`];
    default:
      return [];
  }
}
