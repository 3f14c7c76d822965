import { reportStatistics } from '../../src/cli/report-statistics.ts';
import { predict } from '../../src/core/callable.ts';
import { signature } from '../../src/core/signature.ts';
import type { Store, StoredRun } from '../../src/core/store.ts';
import { exactMatch } from '../../src/evaluate/metrics.ts';
import { bootstrapFinetune } from '../../src/optimize/bootstrap-finetune.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { type RunReport, runReport } from '../../src/report/run-report.ts';
import { betterTogetherOver } from '../../src/run/better-together.ts';
import { rightKind } from './parity-task.ts';
import { scriptedModel } from './scripted-model.ts';
import { scriptedTrainer } from './scripted-trainer.ts';

/** Text that would do something in a page, were it taken for markup. */
export const hostile = `</script></pre><img src=x onerror="globalThis.broken=1"><script>globalThis.broken=1</script> & "'`;

interface Size {
  readonly train: number;
  readonly val: number;
  readonly test: number;
  readonly candidates: number;
  /** Stands in every question. */
  readonly padding?: string;
  readonly strategy?: 'p' | 'p -> w -> p';
  readonly seed?: number;
}

const small: Size = { train: 12, val: 20, test: 20, candidates: 2 };

/** A finished run on a scripted model: three right digits without demos, five with them, eight and nine with an adapter. */
export async function reportedRun(store: Store, size: Partial<Size> = {}): Promise<StoredRun> {
  const { train, val, test, candidates, padding = '', strategy = 'p -> w -> p', seed = 0 } = { ...small, ...size };
  const rows = (first: number, count: number) =>
    Array.from({ length: count }, (_, index) => {
      const number = String(first + index);
      return { number: `${padding}${hostile} ${number}`, kind: rightKind(number) };
    });
  const model = scriptedModel(({ model: { adapter }, prompt }) => {
    const digit = prompt.user.at(-1) ?? '';
    const skill = (adapter === null ? 3 : 8) + (prompt.turns.length > 0 ? (adapter === null ? 2 : 1) : 0);
    const right = rightKind(digit);
    return [Number(digit) < skill ? right : right === 'odd' ? 'even' : 'odd', `<b onclick=x>${digit}</b>"`];
  });
  const together = betterTogetherOver({
    version: 'test',
    concurrency: 16,
    now: () => 0,
    openStore: () => store,
    trainer: () => scriptedTrainer({ losses: [3, 1.5, 0.5] }),
    onNetworkAttempt: () => () => {},
    optimizers: () => ({
      p: bootstrapFewShotWithRandomSearch({ numCandidatePrograms: candidates, maxLabeledDemos: 4 }),
      w: bootstrapFinetune(),
    }),
  });
  const task = signature("number -> kind: 'odd' | 'even', note", `Odd or even? ${hostile}`);
  const { summary } = await together({ metric: exactMatch('kind') }).compile(predict(task).withLm(model), {
    trainset: rows(0, train),
    valset: rows(1000, val),
    testset: rows(3000, test),
    strategy,
    seed,
    store,
  });
  // `!`: it was made above.
  return store.run(summary.run)!;
}

export const reportOf = (store: Store, run: StoredRun): RunReport => runReport(store, run, reportStatistics);
