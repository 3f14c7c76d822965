import { type Candidate, candidateId } from '../../core/candidate.ts';
import type { Example } from '../../core/example.ts';
import type { Json } from '../../core/json.ts';
import type { Metric, Row } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Rng } from '../../core/rng.ts';
import { type rulesToTry, withChoiceRule } from '../calibrate.ts';
import type { Proposer } from '../proposals.ts';
import { createAdviser } from './advice.ts';
import type { Budget } from './budget.ts';
import { type Child, childrenOf } from './children.ts';
import type { SimbaSettings } from './parameters.ts';
import { bucketsOf, leaders, limitsOf, type Member, meanOf, sampledRuns } from './runs.ts';

export interface Search {
  readonly settings: SimbaSettings;
  readonly context: OptimizerContext;
  readonly metric: Metric | undefined;
  readonly proposer: Proposer;
  readonly budget: Budget;
  /** The rule by which children take labels. */
  readonly rule: ReturnType<typeof rulesToTry>[number];
}

/** The best child of a step on the step's batch. */
export interface Winner {
  readonly candidate: Candidate;
  readonly note: string;
}

export interface Found {
  readonly winners: readonly Winner[];
  /** What was sampled and made in each step. */
  readonly steps: readonly Json[];
}

/** Walks through batches of train. In each, programs of a growing pool are run several times, and children learn from where the runs differ. */
export async function searchFrom(start: Candidate, search: Search): Promise<Found> {
  const { settings, context, budget } = search;
  const { numCandidates, maxSteps } = settings;
  let pool: readonly Member[] = [{ candidate: start, scores: [] }];
  const winners: Winner[] = [];
  const steps: Json[] = [];
  for (let step = 0; step < maxSteps; step++) {
    const goal = { children: numCandidates + 1, winners: winners.length + 1 };
    const isHopeless = settings.maxDemos === 0 && search.proposer.isUnable();
    if (isHopeless || !budget.affords({ ...goal, runs: numCandidates })) break;
    const batch = batchOf(step, settings, context);
    const own = context.rng.fork(`step/${step}`);
    const members = leaders(pool, numCandidates);
    const runs = await sampledRuns(
      { batch, members, runs: numCandidates, temperature: settings.temperatureForSampling, metric: search.metric },
      context,
      own.fork('sample'),
    );
    budget.see(runs.flat());
    if (!budget.affords(goal)) break;
    const affords = (questions: number) => budget.affords({ ...goal, questions });
    const children = await childrenAfter({ runs, members, pool, affords }, search, own.fork('children'));
    const measured = await measure(pool[0]!, children, { batch, step }, search);
    const best = bestOf(measured.children);
    if (best) winners.push(best);
    steps.push(stepJson(runs, measured, best));
    pool = [measured.start, ...pool.slice(1), ...measured.children];
  }
  return { winners, steps };
}

/** Train in an order of its own for every time that it is walked through; what is left at its end is too small for a batch. */
function batchOf(step: number, { bsize }: SimbaSettings, { train, rng }: OptimizerContext): Example[] {
  const batches = Math.floor(train.length / bsize);
  const order = rng.fork(`order/${Math.floor(step / batches)}`).shuffle(train);
  const first = (step % batches) * bsize;
  return order.slice(first, first + bsize);
}

interface Sampled {
  readonly runs: readonly (readonly Row[])[];
  readonly members: readonly Member[];
  readonly pool: readonly Member[];
  /** Whether so many questions can be asked before all children are measured. */
  affords(questions: number): boolean;
}

/** The children of a step, calibrated anew where the start is calibrated. */
async function childrenAfter({ runs, members, pool, affords }: Sampled, search: Search, rng: Rng): Promise<Child[]> {
  const { settings, context, proposer, rule } = search;
  const buckets = bucketsOf(runs);
  const limits = limitsOf(buckets);
  const children = await childrenOf(
    {
      ...settings,
      buckets,
      sources: members,
      count: settings.numCandidates + 1,
      temperature: settings.temperatureForCandidates,
      limits,
      adviser: createAdviser(context, { proposer, limits, affords }),
      known: new Set(pool.map(({ candidate }) => candidateId(candidate))),
    },
    context,
    rng,
  );
  const ruled: Child[] = [];
  for (const child of children)
    ruled.push({ ...child, candidate: await withChoiceRule(child.candidate, rule, context) });
  return ruled;
}

/** A child with its scores on the batch of its step. */
interface Measured extends Member, Winner {
  readonly child: Child;
  readonly mean: number;
}

interface MeasuredStep {
  /** With its scores on this batch added. */
  readonly start: Member;
  readonly startMean: number | null;
  readonly children: readonly Measured[];
}

/** The children on the batch, greedily; the start too, since without a mean of its own it could not be drawn as fairly as they are. */
async function measure(
  start: Member,
  children: readonly Child[],
  { batch, step }: { readonly batch: readonly Example[]; readonly step: number },
  { context, metric }: Search,
): Promise<MeasuredStep> {
  if (children.length === 0) return { start, startMean: null, children: [] };
  const noteOf = ({ way }: Child) => `step ${step + 1}: ${way}`;
  for (const child of children) context.propose(child.candidate, [child.source], noteOf(child));
  const candidates = [start.candidate, ...children.map(({ candidate }) => candidate)];
  const evaluations = await context.evaluateAll(candidates, batch, {
    leaveOneOut: true,
    ...(metric ? { metric } : {}),
  });
  const [own, ...others] = evaluations.map(({ rows }) => rows.map(({ score }) => score.value));
  return {
    start: { ...start, scores: [...start.scores, ...own!] },
    startMean: meanOf(own!),
    children: children.map((child, index) => {
      const scores = others[index]!;
      return { candidate: child.candidate, note: noteOf(child), child, scores, mean: meanOf(scores) };
    }),
  };
}

/** Ties to the earlier: it learned from the more instructive example. */
const bestOf = (children: readonly Measured[]): Measured | null =>
  children.reduce<Measured | null>((best, child) => (best && best.mean >= child.mean ? best : child), null);

function stepJson(runs: readonly (readonly Row[])[], { startMean, children }: MeasuredStep, best: Winner | null): Json {
  return {
    sampled: meanOf(runs.flat().map(({ score }) => score.value)),
    start: startMean,
    candidates: children.map(({ child, mean }) => ({
      candidate: candidateId(child.candidate),
      source: candidateId(child.source),
      way: child.way,
      score: mean,
    })),
    winner: best ? candidateId(best.candidate) : null,
  };
}
