import { z } from 'zod';
import { type Candidate, candidateId } from '../core/candidate.ts';
import { InputError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Metric } from '../core/metric.ts';
import type { Notice } from '../core/notice.ts';
import type { Optimized, Optimizer, OptimizerContext, WorkSizes } from '../core/optimizer.ts';
import { layoutCalls, searchLayouts } from './layout-search.ts';
import { type LayoutSettings, layoutParameters, requireUsableFormats } from './layouts.ts';

/** Parameters as a caller writes them; `metric` replaces the run's metric inside this optimizer. */
export type Given<S extends z.ZodObject> = z.input<S> & Partial<LayoutSettings> & { readonly metric?: Metric };

interface Definition<S extends z.ZodObject> {
  readonly name: string;
  readonly kind: Optimizer['kind'];
  /** Every parameter with its default. */
  readonly parameters: S;
  /**
   * For a prompt optimizer: the layouts that are tried on what it found where the parameters do not say; default: none. `own`: it has
   * parameters for them and searches them itself.
   */
  readonly layouts?: LayoutSettings | 'own';
  /** Throws an InputError for parameters that contradict each other. */
  check?(parameters: z.output<S>): void;
  /** Requests that the algorithm will make, roughly. */
  expectedCalls(parameters: z.output<S>, sizes: WorkSizes): number;
  optimize(
    parameters: z.output<S>,
    parent: Candidate,
    context: OptimizerContext,
    metric: Metric | undefined,
  ): Promise<Optimized>;
}

/** Makes an optimizer's factory out of its parameters and its algorithm. This, and a file of its own, is all that a new optimizer takes. */
export function defineOptimizer<S extends z.ZodObject>(definition: Definition<S>): (given?: Given<S>) => Optimizer {
  const { name, kind, layouts } = definition;
  const triesLayouts = kind === 'prompt' && layouts !== 'own';
  const schema = z.strictObject({
    ...definition.parameters.shape,
    ...(triesLayouts ? layoutParameters.shape : {}),
  });
  const { expectedCalls, optimize } = triesLayouts ? withLayouts(definition, layouts ?? none) : definition;
  const create = (given: { readonly [name: string]: unknown }): Optimizer => {
    const { metric, ...rest } = given;
    const checked = schema.safeParse(rest);
    if (!checked.success) throw parameterMistakes(name, Object.keys(schema.shape), checked.error);
    // `as`: the schema is strict and has just accepted these values; zod cannot say so for a generic shape.
    const parameters = checked.data as z.output<S>;
    definition.check?.(parameters);
    const judge = metric as Metric | undefined;
    return {
      name,
      kind,
      parameters: { ...(parameters as { [name: string]: Json }), ...(judge ? { metric: metricIdentity(judge) } : {}) },
      expectedCalls: (sizes) => expectedCalls(parameters, sizes),
      optimize: (parent, context) => optimize(parameters, parent, context, judge),
      with: (changes) => create({ ...given, ...changes }),
    };
  };
  return (given) => create(given ?? {});
}

const none: LayoutSettings = { chatFormats: [], labelLists: [], demoOrders: [] };

/** The same algorithm, and after it a search over the layouts of what it found. */
function withLayouts<S extends z.ZodObject>(
  { expectedCalls, optimize }: Definition<S>,
  usual: LayoutSettings,
): Pick<Definition<S>, 'expectedCalls' | 'optimize'> {
  // `as`: `defineOptimizer` has put them into the schema.
  const settingsOf = (parameters: z.output<S>): LayoutSettings => {
    const { chatFormats, labelLists, demoOrders } = parameters as unknown as LayoutSettings;
    return {
      chatFormats: chatFormats ?? usual.chatFormats,
      labelLists: labelLists ?? usual.labelLists,
      demoOrders: demoOrders ?? usual.demoOrders,
    };
  };
  return {
    expectedCalls: (parameters, sizes) => expectedCalls(parameters, sizes) + layoutCalls(settingsOf(parameters), sizes),
    async optimize(parameters, parent, context, metric) {
      const settings = settingsOf(parameters);
      requireUsableFormats(parent, parameters as unknown as LayoutSettings, context.structure);
      const { maxDemoTokens, stopAtScore } = parameters as Partial<{
        readonly maxDemoTokens: number | null;
        readonly stopAtScore: number | null;
      }>;
      const kept: Notice[] = [];
      const watched: OptimizerContext = {
        ...context,
        notice: (notice) => (notice.code === 'start-kept' ? kept.push(notice) : context.notice(notice)),
      };
      const found = await optimize(parameters, parent, watched, metric);
      const result = await searchLayouts(
        found,
        { settings, maxDemoTokens: maxDemoTokens ?? null, enough: stopAtScore ?? 1, metric },
        context,
      );
      // Words and demos may stay as they were, and the layout not.
      if (candidateId(result.candidate) === candidateId(found.candidate))
        for (const notice of kept) context.notice(notice);
      return result;
    },
  };
}

/** A metric is known by its name and its source: edited code is another metric. */
export const metricIdentity = (metric: Metric): string => `${metric.name}\n${metric.toString()}`;

function parameterMistakes(optimizer: string, known: readonly string[], error: z.ZodError): InputError {
  const mistakes = error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${optimizer} has no parameter "${key}".`)
      : [`${optimizer}.${issue.path.join('.')}: ${issue.message}`],
  );
  return new InputError('optimizer-parameter', mistakes, `Parameters of ${optimizer}: ${known.join(', ')}.`);
}

/** A share of all examples: parameters that count things are whole and not negative. */
export const count = (fallback: number) => z.int().min(0).default(fallback);
