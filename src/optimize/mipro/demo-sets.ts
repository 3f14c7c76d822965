import type { Candidate, Demo } from '../../core/candidate.ts';
import type { Metric } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import { bootstrapped, withoutDemos } from '../bootstrap-few-shot.ts';
import { labelled } from '../labeled-few-shot.ts';
import { type Teaching, teachingOf } from '../teaching.ts';
import { isZeroShot, type MiproPlan, type MiproSettings } from './settings.ts';

/** Demos for each predictor. */
export type DemoSet = { readonly [predictor: string]: readonly Demo[] };

interface DemoLimits extends Pick<MiproSettings, 'metricThreshold' | 'maxDemoTokens'> {
  readonly maxBootstrappedDemos: number;
  readonly maxLabeledDemos: number;
}

/** Demos that only the prompt model sees, when the program is to have none. */
const shownDemos = 3;

interface DemoSetOrder {
  readonly start: Candidate;
  readonly settings: MiproSettings;
  readonly plan: MiproPlan;
  readonly metric: Metric | undefined;
  /** Calls that one run of the program takes at most. */
  readonly callsEach: number;
}

/**
 * As many sets as planned, in DSPy's order: no demos, labelled ones, bootstrapped in train order, then bootstrapped from shuffled rows and
 * of random size. When the program is to have none, they are for the prompt model, and only made when it is shown them.
 */
export async function makeDemoSets(context: OptimizerContext, order: DemoSetOrder): Promise<DemoSet[]> {
  const { settings, plan } = order;
  const isForShow = isZeroShot(settings);
  if (isForShow && !(settings.fewshotAwareProposer && plan.instructions > 1)) return [];
  const limits = isForShow ? { ...settings, maxBootstrappedDemos: shownDemos } : settings;
  const told = saidOnce(context);
  const teaching = teachingOf(order.start, limits, told, order.metric);
  const sets: DemoSet[] = [];
  for (let number = 0; number < plan.demoSets; number++) {
    // Every set has a stream of its own: one more or less does not change the others.
    const own = { ...told, rng: told.rng.fork(`demo-set/${number}`) };
    const candidate = await filled(number, limits, own, order, teaching);
    sets.push(Object.fromEntries(Object.entries(candidate.predictors).map(([name, { demos }]) => [name, demos])));
  }
  return sets;
}

async function filled(
  number: number,
  limits: DemoLimits,
  context: OptimizerContext,
  { start, callsEach }: DemoSetOrder,
  teaching: Teaching,
): Promise<Candidate> {
  const { maxLabeledDemos, maxBootstrappedDemos, maxDemoTokens } = limits;
  if (number === 0) return withoutDemos(start);
  if (number === 1 && maxLabeledDemos > 0)
    return labelled(start, { k: maxLabeledDemos, sample: true, maxDemoTokens }, context);
  const isInOrder = number === 2;
  const rows = isInOrder ? context.train : context.rng.fork('order').shuffle(context.train);
  const most = isInOrder ? maxBootstrappedDemos : 1 + context.rng.fork('size').int(Math.max(1, maxBootstrappedDemos));
  // A student that is never right is asked all rows: no more of them than the budget has calls for.
  const affordable = Math.floor(context.callsLeft() / (callsEach * Math.max(1, context.teachers.length)));
  const settings = { ...limits, maxBootstrappedDemos: Math.min(most, maxBootstrappedDemos), maxRounds: 1 };
  if (affordable > 0) return bootstrapped(start, settings, { ...context, train: rows.slice(0, affordable) }, teaching);
  if (settings.maxBootstrappedDemos > 0)
    context.notice({
      code: 'budget-ends-bootstrapping',
      message: 'The budget has no calls left for bootstrapping demos: only labelled examples are shown.',
    });
  return bootstrapped(start, { ...settings, maxBootstrappedDemos: 0 }, { ...context, train: rows }, teaching);
}

/** What is true of one set is true of all: no notice twice. */
function saidOnce(context: OptimizerContext): OptimizerContext {
  const said = new Set<string>();
  return {
    ...context,
    notice(notice) {
      if (!said.has(notice.message)) context.notice(notice);
      said.add(notice.message);
    },
  };
}
