import { type Candidate, candidateId } from '../../core/candidate.ts';
import type { Json } from '../../core/json.ts';
import type { Optimized, OptimizerContext, Trial } from '../../core/optimizer.ts';
import { sayThatTheStartIsKept } from '../notices.ts';
import type { CallCounts } from './calls.ts';
import type { Instructions } from './instructions.ts';
import { meanOf, type Trials } from './trials.ts';

interface Unsearched {
  readonly start: Candidate;
  /** Null: not even the start was scored. */
  readonly score: number | null;
  readonly reason: string;
  readonly calls: CallCounts;
}

/** The start, since nothing was searched. */
export function unsearched(context: OptimizerContext, { start, score, reason, calls }: Unsearched): Optimized {
  sayThatTheStartIsKept(context, reason);
  return { candidate: start, trials: [{ candidate: start, score, note: 'start' }], details: { calls } };
}

interface Searched {
  readonly trials: Trials;
  readonly start: Candidate;
  readonly instructions: Instructions;
  readonly calls: CallCounts;
}

/** What the search found; says so where that is its start. */
export function searched(context: OptimizerContext, { trials, start, instructions, calls }: Searched): Optimized {
  const { candidate, full } = trials.best();
  const all = trials.all();
  if (candidate === start)
    sayThatTheStartIsKept(
      context,
      `it scored ${full!.score!.toFixed(3)}, and no other candidate (${all.length - 1} tried) was found to score more`,
    );
  const tried = all.map(
    (one): Trial => ({
      candidate: one.candidate,
      score: one.full?.score ?? null,
      note: one.note,
    }),
  );
  return { candidate, trials: tried, details: { ...detailsOf(trials, instructions), calls } };
}

/** DSPy's results, best first and ties to the earlier, with candidates named by their ids; and where the calls went. */
function detailsOf(trials: Trials, { proposed, dataSummary, counts }: Instructions): { readonly [name: string]: Json } {
  const named = trials.all().map((tried) => ({ ...tried, candidate: candidateId(tried.candidate) }));
  return {
    trialLogs: trials.log().map((log, index) => ({ trial: index + 1, ...log })),
    // Those that were scored on all rows.
    candidatePrograms: named
      .flatMap(({ candidate, note, full }) => (full?.score == null ? [] : [{ candidate, note, score: full.score }]))
      .toSorted((a, b) => b.score - a.score),
    minibatchCandidates: named
      .filter(({ minibatchScores }) => minibatchScores.length > 0)
      .map(({ candidate, note, minibatchScores }) => ({
        candidate,
        note,
        mean: meanOf(minibatchScores),
        minibatches: minibatchScores.length,
      }))
      .toSorted((a, b) => b.mean - a.mean),
    instructions: proposed,
    dataSummary,
    proposals: counts,
  };
}
