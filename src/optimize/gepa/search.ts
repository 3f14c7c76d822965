import { type Candidate, candidateId } from '../../core/candidate.ts';
import type { Example } from '../../core/example.ts';
import type { Row } from '../../core/metric.ts';
import type { OptimizerContext, Trial } from '../../core/optimizer.ts';
import type { Rng } from '../../core/rng.ts';
import type { Proposer } from '../proposals.ts';
import { minibatches } from './batches.ts';
import { bestOf, meanOf, type Scores, sumOf } from './front.ts';
import { chooseMerge, mergeRows, mergeSample } from './merge.ts';
import type { Meter } from './meter.ts';
import type { GepaSettings } from './parameters.ts';
import { type Member, sumOn } from './pool.ts';
import { questionsPerProposal, reflect } from './reflection.ts';
import { selectComponents, selectParent } from './selectors.ts';

/** What a search works with. */
export interface SearchTools {
  readonly settings: GepaSettings;
  readonly context: OptimizerContext;
  /** Rows that every accepted candidate is measured on. */
  readonly val: readonly Example[];
  readonly meter: Meter;
  readonly proposer: Proposer;
}

/** What a search has found so far. */
export interface Found {
  /** The start first, then what was accepted, in order. */
  readonly pool: readonly Member[];
  readonly trials: readonly Trial[];
  readonly merges: { readonly tried: number; readonly accepted: number };
}

export type Ending = 'search-budget' | 'run-budget' | 'unable' | 'perfect' | 'run-dry' | 'faultless';

/** All that one iteration leaves to the next. */
interface Search extends SearchTools, Found {
  readonly pool: Member[];
  readonly trials: Trial[];
  readonly merges: { tried: number; accepted: number };
  /** Ids of every candidate that was measured, on whatever rows: it is not measured again. */
  readonly measured: Set<string>;
  /** How often each member was chosen as a parent: whose turn it is among its predictors. */
  readonly turns: number[];
  readonly batches: Generator<readonly Example[], never>;
  /** Whether the last iteration gave the pool a new member. */
  hasJustAdded: boolean;
  /** Iterations in a row without a new instruction. */
  dryIterations: number;
  /** Iterations in a row in which all minibatches were known already, and perfect. */
  idleIterations: number;
}

/** So many iterations in a row without a new instruction, each in several styles, and there will be none. */
const patience = 10;

/**
 * GEPA's loop, until a budget, the prompt model's ideas or the room for improvement are at their end. The pool is empty when not even the
 * start can be paid for.
 */
export async function searchFrom(
  start: Candidate,
  tools: SearchTools,
): Promise<{ readonly found: Found; readonly ending: Ending }> {
  const { context, settings, meter, val } = tools;
  const search: Search = {
    ...tools,
    pool: [],
    trials: [],
    merges: { tried: 0, accepted: 0 },
    measured: new Set([candidateId(start)]),
    turns: [],
    batches: minibatches(context.train, settings.reflectionMinibatchSize, context.rng.fork('minibatches')),
    hasJustAdded: false,
    dryIterations: 0,
    idleIterations: 0,
  };
  const shortage = meter.shortOf(val.length, 0);
  if (shortage !== null) return { found: search, ending: `${shortage}-budget` };
  add(
    search,
    { candidate: start, parents: [], scores: scoresOf(await meter.rows(start, val)), discoveredAt: 0 },
    'start',
  );
  for (let iteration = 1; ; iteration++) {
    const ending = endingOf(search);
    if (ending !== null) return { found: search, ending };
    const rng = context.rng.fork(`iteration-${iteration}`);
    // A merge that was tried, with whatever outcome, is an iteration of its own.
    const before = meter.metricCalls() + search.dryIterations;
    search.hasJustAdded =
      (await mergeOnce(search, iteration, rng.fork('merge'))) ?? (await reflectOnce(search, iteration, rng));
    search.idleIterations = meter.metricCalls() + search.dryIterations === before ? search.idleIterations + 1 : 0;
  }
}

/** Looked at before each iteration, for all that it may cost: so a budget is never overdrawn. */
function endingOf({ settings, context, pool, proposer, meter, val, ...search }: Search): Ending | null {
  const { reflectionMinibatchSize, componentSelector, skipPerfectScore, perfectScore } = settings;
  if (proposer.isUnable()) return 'unable';
  if (search.dryIterations >= patience) return 'run-dry';
  // Ten epochs without a fault or a metric call: whoever may be a parent has full marks on train.
  if (search.idleIterations >= patience * Math.ceil(context.train.length / reflectionMinibatchSize)) return 'faultless';
  const { scores } = pool[bestOf(pool.map((member) => member.scores))]!;
  if (skipPerfectScore && scores.every((score) => score >= perfectScore)) return 'perfect';
  const rewritten = componentSelector === 'all' ? Object.keys(context.structure.predictors).length : 1;
  const minibatch = Math.min(reflectionMinibatchSize, context.train.length);
  const shortage = meter.shortOf(2 * minibatch + val.length, rewritten * questionsPerProposal);
  return shortage && `${shortage}-budget`;
}

/** A child of one member, from how that does on a minibatch. It is measured on val, and in the pool, when it does better there. */
async function reflectOnce(search: Search, iteration: number, rng: Rng): Promise<boolean> {
  const { settings, context, meter, pool, turns, measured, trials } = search;
  const position = selectParent(
    pool.map(({ scores }) => scores),
    settings,
    rng.fork('parent'),
  );
  const parent = pool[position]!.candidate;
  const batch = search.batches.next().value;
  const before = await meter.rows(parent, batch);
  if (settings.skipPerfectScore && before.every(({ score }) => score.value >= settings.perfectScore)) return false;
  const predictors = selectComponents(Object.keys(parent.predictors), settings, turns[position]!++);
  const isTried = isTriedIn(search);
  const shown = [...before, ...rememberedMistakes(search, parent, batch, rng.fork('remembered'))];
  const child = await reflect(parent, predictors, shown, { ...search, isTried }, rng.fork('reflection'));
  search.dryIterations = child === null ? search.dryIterations + 1 : 0;
  if (child === null) return false;
  const note = `reflection ${iteration} on ${changedIn(child, parent).join(', ')}`;
  measured.add(candidateId(child));
  context.propose(child, [parent], note);
  const after = await meter.rows(child, batch);
  if (!isAccepted(scoresOf(before), scoresOf(after), settings)) {
    trials.push({ candidate: child, score: null, note: `${note}: not better on its minibatch` });
    return false;
  }
  const discoveredAt = meter.metricCalls();
  const scores = scoresOf(await meter.rows(child, search.val));
  add(search, { candidate: child, parents: [position], scores, discoveredAt }, note);
  return true;
}

/** Where the parent is known to fail beside this minibatch: what a proposal can learn from for nothing. Val is never among it. */
function rememberedMistakes(
  { context, meter, settings }: Search,
  parent: Candidate,
  batch: readonly Example[],
  rng: Rng,
): Row[] {
  const closed = new Set([...batch, ...context.val].map(({ id }) => id));
  const others = context.train.filter(({ id }) => !closed.has(id));
  const mistakes = meter.known(parent, others).filter(({ score }) => score.value < settings.perfectScore);
  return rng.sample(mistakes, settings.rememberedMistakes);
}

const changedIn = (child: Candidate, parent: Candidate): string[] =>
  Object.keys(child.predictors).filter((name) => child.predictors[name] !== parent.predictors[name]);

/** Joins two members, right after the pool got a new one. Null: there was nothing to try; else whether the merge is in the pool. */
async function mergeOnce(search: Search, iteration: number, rng: Rng): Promise<boolean | null> {
  const { settings, context, meter, pool, measured, merges, trials, val, hasJustAdded } = search;
  const isOpen = settings.useMerge && merges.tried < settings.maxMergeInvocations && val.length >= mergeRows;
  if (!isOpen || !hasJustAdded) return null;
  const merge = chooseMerge(pool, isTriedIn(search), rng.fork('pair'));
  if (merge === null) return null;
  merges.tried++;
  const { candidate, parents } = merge;
  const [first, second] = [pool[parents[0]]!, pool[parents[1]]!];
  const note = `merge ${iteration}`;
  measured.add(candidateId(candidate));
  context.propose(candidate, [first.candidate, second.candidate], note);
  const discoveredAt = meter.metricCalls();
  const sample = mergeSample(first.scores, second.scores, rng.fork('rows'));
  const known = scoresOf(await meter.rows(candidate, pick(val, sample)));
  if (sumOf(known) < Math.max(sumOn(first.scores, sample), sumOn(second.scores, sample))) {
    trials.push({ candidate, score: null, note: `${note}: worse than a parent on ${sample.length} rows` });
    return false;
  }
  const scores = await completed(search, candidate, sample, known);
  add(search, { candidate, parents, scores, discoveredAt }, note);
  merges.accepted++;
  return true;
}

/** A merge's scores on all val rows, of which it has some already. */
async function completed({ val, meter }: Search, candidate: Candidate, sample: readonly number[], known: Scores) {
  const rest = [...val.keys()].filter((row) => !sample.includes(row));
  const found = scoresOf(await meter.rows(candidate, pick(val, rest)));
  const byRow = new Map([...sample, ...rest].map((row, index) => [row, [...known, ...found][index]!]));
  return val.map((_, row) => byRow.get(row)!);
}

function add({ pool, turns, trials }: Search, member: Member, note: string): void {
  // A child goes on where its parents are: no predictor has two turns while another waits.
  turns.push(Math.max(0, ...member.parents.map((parent) => turns[parent]!)));
  pool.push(member);
  trials.push({ candidate: member.candidate, score: meanOf(member.scores), note });
}

/** On the same rows in the same order: a crash is a 0 on either side. */
function isAccepted(before: Scores, after: Scores, { acceptance }: GepaSettings): boolean {
  return acceptance === 'improvement' ? sumOf(after) > sumOf(before) : sumOf(after) >= sumOf(before);
}

const isTriedIn =
  ({ measured }: Search) =>
  (candidate: Candidate): boolean =>
    measured.has(candidateId(candidate));

const scoresOf = (rows: readonly Row[]): number[] => rows.map(({ score }) => score.value);

const pick = <T>(items: readonly T[], positions: readonly number[]): T[] =>
  positions.map((position) => items[position]!);
