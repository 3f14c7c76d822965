import type { Row } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { calibrationRows, type rulesToTry } from '../calibrate.ts';
import type { Contest } from '../contest.ts';
import type { SimbaSettings } from './parameters.ts';

/** What is still to be done when something is begun. */
export interface Work {
  /** Sampled runs of each example of a batch. */
  readonly runs?: number;
  /** Children that are measured on a batch, the start beside them. */
  readonly children?: number;
  readonly questions?: number;
  /** Winners of steps, of which some are judged in the end. */
  readonly winners: number;
}

/** Keeps so many calls back as it takes to judge what was found: a search whose winners nobody judged would be for nothing. */
export interface Budget {
  /** Takes note of how many calls a run of the program really makes: a program may call a predictor more than once. */
  see(rows: readonly Row[]): void;
  /** Whether there are calls for all this work; says so once when there are not. */
  affords(work: Work): boolean;
}

interface BudgetOptions {
  readonly settings: Pick<SimbaSettings, 'bsize' | 'numCandidates'>;
  readonly context: OptimizerContext;
  readonly contest: Contest;
  /** The rule by which children take labels. */
  readonly rule: ReturnType<typeof rulesToTry>[number];
}

export function createBudget({ settings, context, contest, rule }: BudgetOptions): Budget {
  const { bsize, numCandidates } = settings;
  const predictors = Object.keys(context.structure.predictors).length;
  const calibrated = rule === 'calibrated' ? Math.min(calibrationRows, context.train.length) : 0;
  let callsPerRun = predictors;
  let isOver = false;

  function callsFor({ runs = 0, children = 0, questions = 0, winners }: Work): number {
    const measured = children === 0 ? 0 : (children + 1) * bsize + children * calibrated;
    const finals = (Math.min(winners, numCandidates) + 1) * (contest.callsEach / predictors);
    return (runs * bsize + measured + finals) * callsPerRun + questions;
  }

  return {
    see(rows) {
      callsPerRun = Math.max(callsPerRun, ...rows.map(({ trace }) => trace.length));
    },
    affords(work) {
      if (context.callsLeft() >= callsFor(work)) return true;
      if (!isOver)
        context.notice({
          code: 'budget-ends-search',
          message: 'The budget has no calls left for more candidates: those that were found are judged.',
        });
      isOver = true;
      return false;
    },
  };
}
