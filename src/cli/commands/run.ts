import { dirname, join } from 'node:path';
import { trainedFiles } from '../../core/candidate.ts';
import { shortId } from '../../core/json.ts';
import type { LanguageModel } from '../../core/lm.ts';
import type { RunSummary } from '../../core/summary.ts';
import { limitsText } from '../../report/budget-text.ts';
import { promptText } from '../../report/prompt-text.ts';
import { summaryText } from '../../report/summary-text.ts';
import type { Optimized } from '../../run/better-together.ts';
import { budgetState } from '../../run/budget-limits.ts';
import { saveProgram } from '../../store/program-file.ts';
import { liveView } from '../live.ts';
import type { Output } from '../output.ts';
import type { AnyProgram, PlannedRun } from '../plan-run.ts';
import { betterTogether, sqliteStore } from '../wiring.ts';

interface RunOptions {
  readonly storePath: string;
  readonly signal: AbortSignal;
  readonly output: Output;
}

/** Runs what was planned, shows it live, saves the chosen program, and prints the result. */
export async function runPlanned(planned: PlannedRun, { storePath, signal, output }: RunOptions): Promise<void> {
  await using lm = planned.lm;
  const store = sqliteStore(storePath);
  try {
    const view = liveView({ stream: output.human, expectedCalls: expectedCalls(planned) });
    const run = betterTogether({ metric: planned.metric, optimizers: planned.optimizers }).compile(planned.student, {
      ...planned.options,
      store,
      signal,
    });
    output.note(`run ${shortId(run.id)} in ${storePath}`);
    const limits = limitsText(budgetState(planned.options));
    if (limits !== '') output.note(`budget of the steps: at most ${limits}`);
    // The run's own promise reports its errors; the view only follows.
    const following = follow(run, view.show);
    const best = await run.finally(() => following.then(view.end));
    const program = save(best, lm, storePath);
    output.result(runJson(best.summary, program), () => humanResult(best, program));
  } finally {
    store.close();
  }
}

async function follow<T>(events: AsyncIterable<T>, show: (event: T) => void): Promise<void> {
  for await (const event of events) show(event);
}

/** Requests from the baseline to the sealed test, roughly. */
function expectedCalls({ student, options, optimizers }: PlannedRun): number {
  const predictors = Object.keys(student.structure.predictors).length;
  const total = options.trainset.length;
  const test = options.testset?.length ?? Math.floor((options.testsetRatio ?? 0) * total);
  const val = options.valset?.length ?? Math.floor((options.valsetRatio ?? 0) * (total - test));
  const train = total - (options.testset ? 0 : test) - (options.valset ? 0 : val);
  const keys = (options.strategy ?? 'p -> w -> p').split('->').map((key) => key.trim());
  const steps = keys.reduce(
    (sum, key) => sum + (optimizers[key]?.expectedCalls({ train, val, predictors }) ?? 0) + val * predictors,
    0,
  );
  return steps + predictors * (val + 2 * test);
}

/** Every run saves its chosen program beside its store. */
function save(
  { structure, summary, adapters, embeddings }: Optimized<AnyProgram>,
  lm: LanguageModel,
  storePath: string,
): string {
  const { candidate } = summary.chosen;
  const used = trainedFiles(candidate);
  const files = [...adapters.values()].filter(({ sha256 }) => used.includes(sha256));
  const folder = join(dirname(storePath), 'programs', shortId(summary.run));
  return saveProgram(
    { predictors: structure.predictors, candidate, bases: [lm.base], adapters: files, embeddings },
    folder,
  );
}

/** The one document of `--json`; see design 3. */
export function runJson(summary: RunSummary, program: string) {
  const candidates = summary.candidates.map(({ candidate: _, ...scores }) => scores);
  return {
    ...summary,
    status: 'done',
    candidates,
    chosen: { strategy: summary.chosen.strategy, program },
  };
}

function humanResult({ summary, structure }: Optimized<AnyProgram>, program: string): string {
  const [input] = Object.values(structure.predictors)[0]?.inputFields ?? [];
  return [
    '',
    summaryText(summary),
    '',
    'The prompt that won:',
    promptText(structure.predictors, summary.chosen.candidate),
    '',
    `Saved: ${program}`,
    'Use it:',
    `  import { loadProgram } from 'better-together';`,
    `  console.log(await (await loadProgram(${JSON.stringify(program)}))({ ${input?.name ?? 'input'}: '…' }));`,
  ].join('\n');
}
