import { z } from 'zod';
import { InputError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Metric } from '../core/metric.ts';
import type { Optimizer } from '../core/optimizer.ts';
import type { Algorithm } from './algorithm.ts';
import { type LayoutSearchSettings, layoutSearchParameters } from './layout-search.ts';
import { withLayoutSearch } from './with-layout-search.ts';

/** Parameters as a caller writes them; `metric` replaces the run's metric inside this optimizer. */
export type Given<S extends z.ZodObject> = z.input<S> & Partial<LayoutSearchSettings> & { readonly metric?: Metric };

interface Definition<S extends z.ZodObject> extends Algorithm<S> {
  readonly name: string;
  readonly kind: Optimizer['kind'];
  readonly needsEmbeddings?: boolean;
  /**
   * For a prompt optimizer: the layouts that are tried on what it found where the parameters do not say; default: none. `own`: it has
   * parameters for them and searches them itself.
   */
  readonly layouts?: Partial<LayoutSearchSettings> | 'own';
  /** Throws an InputError for parameters that contradict each other. */
  check?(parameters: z.output<S>): void;
}

/** Makes an optimizer's factory out of its parameters and its algorithm. This, and a file of its own, is all that a new optimizer takes. */
export function defineOptimizer<S extends z.ZodObject>(definition: Definition<S>): (given?: Given<S>) => Optimizer {
  const { name, kind, needsEmbeddings, layouts } = definition;
  const triesLayouts = kind === 'prompt' && layouts !== 'own';
  const schema = z.strictObject({
    ...definition.parameters.shape,
    ...(triesLayouts ? layoutSearchParameters.shape : {}),
    // A parameter of its own wins.
    ...definition.parameters.shape,
  });
  const { expectedCalls, optimize } = triesLayouts ? withLayoutSearch(definition, layouts ?? {}) : definition;
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
      ...(needsEmbeddings ? { needsEmbeddings } : {}),
      parameters: { ...(parameters as { [name: string]: Json }), ...(judge ? { metric: metricIdentity(judge) } : {}) },
      expectedCalls: (sizes) => expectedCalls(parameters, sizes),
      optimize: (parent, context) => optimize(parameters, parent, context, judge),
      with: (changes) => create({ ...given, ...changes }),
    };
  };
  return (given) => create(given ?? {});
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
