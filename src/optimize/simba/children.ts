import { type Candidate, candidateId, type Demo, mapPredictors } from '../../core/candidate.ts';
import { canonicalJson, type Fields, type Json } from '../../core/json.ts';
import type { Row } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Rng } from '../../core/rng.ts';
import { withDemos } from '../demos.ts';
import type { Adviser } from './advice.ts';
import { type Bucket, drawMember, isWorthShowing, type Limits, type Member } from './runs.ts';

/** A new program, not measured yet. */
export interface Child {
  readonly candidate: Candidate;
  readonly source: Candidate;
  readonly way: Way;
}

/** How a child learns from a bucket: it is shown what the best run did, or told what the worst run should have done. */
export type Way = 'demo' | 'advice';

export interface ChildrenOrder {
  /** The most instructive first. */
  readonly buckets: readonly Bucket[];
  readonly sources: readonly Member[];
  /** Children at most. */
  readonly count: number;
  /** How much better sources are preferred; see drawMember. */
  readonly temperature: number;
  readonly maxDemos: number;
  readonly maxDemoTokens: number | null;
  readonly demoInputFieldMaxlen: number;
  readonly limits: Limits;
  readonly adviser: Adviser;
  /** Ids of candidates that need not be made again. */
  readonly known: ReadonlySet<string>;
}

/** Children of sources that are drawn for each bucket. A bucket that has nothing to teach, or nothing new, gives none. */
export async function childrenOf(order: ChildrenOrder, context: OptimizerContext, rng: Rng): Promise<Child[]> {
  const children: Child[] = [];
  const known = new Set(order.known);
  for (const [index, bucket] of order.buckets.entries()) {
    if (children.length >= order.count) break;
    const own = rng.fork(`bucket/${index}`);
    const source = drawMember(order.sources, order.temperature, own.fork('source')).candidate;
    const thinned = withFewerDemos(source, order.maxDemos, own.fork('drop'));
    for (const way of waysInOrder(order, own.fork('way'))) {
      const candidate =
        way === 'demo'
          ? await withBestRun(thinned, bucket, order, context)
          : await order.adviser.advised(thinned, bucket, own.fork('advice'));
      if (candidate === null || known.has(candidateId(candidate))) continue;
      known.add(candidateId(candidate));
      children.push({ candidate, source, way });
      break;
    }
  }
  return children;
}

/** The way that was drawn, and the other one for when the first leads nowhere. */
function waysInOrder({ maxDemos, adviser }: ChildrenOrder, rng: Rng): Way[] {
  const ways = rng.shuffle<Way>(['demo', 'advice']);
  return ways.filter((way) => (way === 'demo' ? maxDemos > 0 : !adviser.isUnable()));
}

// What DSPy divides by when no demos are wanted.
const usualDemos = 3;

/**
 * Without some of its demos, and with so few of them that one more can be shown; the same places are emptied in every predictor. Demos that
 * are chosen by likeness stay: one more of them takes no room.
 */
export function withFewerDemos(candidate: Candidate, maxDemos: number, rng: Rng): Candidate {
  const states = Object.values(candidate.predictors);
  const fixedDemos = states.flatMap(({ demos, nearest }) => (nearest === undefined ? [demos] : []));
  const most = Math.max(0, ...fixedDemos.map(({ length }) => length));
  const drawn = poisson(most / (maxDemos || usualDemos), rng.fork('count'));
  const places = Array.from({ length: most }, (_, place) => place);
  const dropped = new Set(rng.fork('places').sample(places, Math.max(drawn, most - maxDemos + 1)));
  return mapPredictors(candidate, (state) => ({
    ...state,
    demos: state.demos.filter((_, place) => state.nearest !== undefined || !dropped.has(place)),
  }));
}

/** A draw from the Poisson distribution by Knuth's product of uniform numbers: for small means. */
function poisson(mean: number, rng: Rng): number {
  const limit = Math.exp(-mean);
  let drawn = 0;
  for (let product = rng.next(); product > limit; product *= rng.next()) drawn++;
  return drawn;
}

/** With what the best run did as the last demo; null when it is no example to follow, or where its demos have no room in any predictor. */
async function withBestRun(
  candidate: Candidate,
  bucket: Bucket,
  { limits, demoInputFieldMaxlen, maxDemoTokens }: ChildrenOrder,
  context: OptimizerContext,
): Promise<Candidate | null> {
  const best = bucket[0]!;
  if (best.failure !== null || !isWorthShowing(bucket, limits)) return null;
  const shown = demosOf(best, demoInputFieldMaxlen);
  const demos = Object.entries(candidate.predictors).map(([name, state]): [string, readonly Demo[]] => {
    const others = state.demos.filter(({ source }) => source !== best.example.id);
    const newest = shown.get(name);
    // In front while room is given out: an older demo has to make way for it.
    return [name, newest ? [newest, ...others] : state.demos];
  });
  const fitting = await withDemos(candidate, new Map(demos), maxDemoTokens, context);
  const isShown = (name: string, [first]: readonly Demo[]) => first !== undefined && first === shown.get(name);
  if (!Object.entries(fitting.predictors).some(([name, state]) => isShown(name, state.demos))) return null;
  return mapPredictors(fitting, (state, name) =>
    isShown(name, state.demos) ? { ...state, demos: [...state.demos.slice(1), state.demos[0]!] } : state,
  );
}

/** What each predictor did in a run: its last call. */
function demosOf({ example, trace }: Row, longest: number): ReadonlyMap<string, Demo> {
  const demos = trace.flatMap(({ predictor, inputs, outputs }): [string, Demo][] =>
    outputs ? [[predictor, { inputs: withShortValues(inputs, longest), outputs, source: example.id }]] : [],
  );
  return new Map(demos);
}

const withShortValues = (inputs: Fields, longest: number): Fields =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, shortened(value, longest)]));

/** The value itself, or the beginning of its text with a mark where it was cut. */
function shortened(value: Json, longest: number): Json {
  const text = typeof value === 'string' ? value : canonicalJson(value);
  // Half a character is none.
  return text.length <= longest ? value : `${text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, '')} … [cut]`;
}
