import { z } from 'zod';
import { type Candidate, mapPredictors, type PredictorState, showing } from '../core/candidate.ts';
import { answerPieces, answerPlan, renderPrompt } from '../core/chat-format.ts';
import { nearestDemos } from '../core/embedding.ts';
import { StepError } from '../core/errors.ts';
import { contentId, type Fields } from '../core/json.ts';
import type { TextRow } from '../core/lm.ts';
import { type Metric, passes } from '../core/metric.ts';
import type { FitOrder, OptimizerContext, Teacher } from '../core/optimizer.ts';
import type { Rng } from '../core/rng.ts';
import type { Signature } from '../core/signature.ts';
import { defineOptimizer } from './define.ts';
import { fitParameters, fitSettings, optional, smallModel } from './fit-settings.ts';

const parameters = z.object({
  /**
   * `bootstrapped`: what the teachers (by default the student) got right, as DSPy does. `labelled`: the labels. `both`: what was got right,
   * and the labels where it was not. Null: `both` where every output of a single predictor is labelled, else `bootstrapped`.
   */
  rows: optional(z.enum(['bootstrapped', 'labelled', 'both'])),
  /** Instructions in the rows: the current ones, or the program's own. */
  rowPrompt: z.enum(['optimized', 'plain']).default('optimized'),
  /** Demos in the rows. The candidate that leaves the step has the prompt of its rows: an adapter is only good with that. */
  rowDemos: z.enum(['none', 'current']).default('none'),
  /** A fresh adapter on the base, or going on from the current one. */
  startFrom: z.enum(['base', 'adapter']).default('base'),
  /** One adapter for all predictors of a base, or one for each. */
  multitask: z.boolean().default(true),
  metricThreshold: z.number().nullable().default(null),
  /** Attempts per example and teacher; from the second on at `temperature`. */
  attempts: z.int().positive().default(1),
  temperature: z.number().positive().default(0.7),
  /** Rows at most, balanced over labels; null: 400 below 500 M parameters, else all. */
  maxRows: optional(z.int().positive()),
  ...fitParameters,
});

type FinetuneSettings = z.output<typeof parameters>;

/** One answered call, known to be right, that the model is to learn. */
interface Lesson {
  readonly predictor: string;
  readonly inputs: Fields;
  readonly outputs: Fields;
  /** The id of its train example. */
  readonly source: string;
  readonly from: 'bootstrapped' | 'labelled';
}

/** The w of the strategy: rows out of good traces and labels, a LoRA adapter out of rows (DSPy's BootstrapFinetune). */
export const bootstrapFinetune = defineOptimizer({
  name: 'bootstrapFinetune',
  kind: 'weights',
  parameters,
  expectedCalls: ({ rows, attempts }, { train, predictors }) =>
    rows === 'labelled' ? 0 : train * attempts * predictors,
  async optimize(settings, parent, context, metric) {
    const served = promptOfRows(parent, settings, context);
    const lessons = distinct(await collectLessons(parent, settings, context, metric));
    let candidate = served;
    for (const group of groupsOf(served, settings)) {
      const order = await fitOrder(group, served, parent, lessons, settings, context);
      const adapter = await context.fit(order);
      candidate = mapPredictors(candidate, (state, name) =>
        group.predictors.includes(name) ? { ...state, model: { ...state.model, adapter } } : state,
      );
    }
    context.propose(candidate, [parent], 'trained weights');
    return { candidate, trials: [{ candidate, score: null, note: 'trained weights' }] };
  },
});

/** The prompt that the rows carry and that will be served with the adapter. */
function promptOfRows(
  parent: Candidate,
  { rowPrompt, rowDemos }: FinetuneSettings,
  { structure }: OptimizerContext,
): Candidate {
  return mapPredictors(parent, (state, name) => ({
    ...(rowDemos === 'current' ? state : showing(state, [])),
    instructions:
      rowPrompt === 'plain' ? (structure.predictors[name]?.instructions ?? state.instructions) : state.instructions,
    // A calibration is about the prompt and the weights that it was measured with.
    choice: typeof state.choice === 'object' ? 'greedy' : state.choice,
  }));
}

interface Group {
  readonly base: string;
  readonly predictors: readonly string[];
}

/** Predictors that are trained together: those of one base model, or each for itself. */
function groupsOf(candidate: Candidate, { multitask }: FinetuneSettings): Group[] {
  const states = Object.entries(candidate.predictors);
  if (!multitask) return states.map(([name, state]) => ({ base: state.model.base, predictors: [name] }));
  const bases = [...new Set(states.map(([, state]) => state.model.base))];
  return bases.map((base) => ({
    base,
    predictors: states.filter(([, state]) => state.model.base === base).map(([name]) => name),
  }));
}

async function collectLessons(
  parent: Candidate,
  settings: FinetuneSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<Lesson[]> {
  const labelled = labelledLessons(context);
  const wanted =
    settings.rows ?? (labelled.size > 0 && labelled.size === context.train.length ? 'both' : 'bootstrapped');
  if (wanted === 'labelled') return [...labelled.values()];
  const lessons = await bootstrappedLessons(parent, settings, context, metric);
  const learned = [...lessons.values()].flat();
  if (wanted === 'bootstrapped') return learned;
  return [...learned, ...[...labelled].filter(([id]) => !lessons.has(id)).map(([, lesson]) => lesson)];
}

/** By example: the lesson that its labels hold. Only a program of one predictor can be taught from labels alone. */
function labelledLessons({ structure, train }: OptimizerContext): ReadonlyMap<string, Lesson> {
  const [only, ...others] = Object.entries(structure.predictors);
  if (!only || others.length > 0) return new Map();
  const [predictor, { outputFields }] = only;
  const complete = train.filter(({ labels }) => outputFields.every(({ name }) => labels[name] !== undefined));
  return new Map(
    complete.map(({ id, inputs, labels }) => [
      id,
      { predictor, inputs, outputs: labels, source: id, from: 'labelled' },
    ]),
  );
}

/** By example: every call of the first attempt that passed the metric. */
async function bootstrappedLessons(
  parent: Candidate,
  { attempts, temperature, metricThreshold }: FinetuneSettings,
  context: OptimizerContext,
  metric: Metric | undefined,
): Promise<ReadonlyMap<string, readonly Lesson[]>> {
  const lessons = new Map<string, readonly Lesson[]>();
  const predictors = Object.keys(context.structure.predictors).length;
  const student: Teacher = { structure: context.structure, candidate: parent };
  for (const teacher of context.teachers.length > 0 ? context.teachers : [student]) {
    for (let seed = 0; seed < attempts; seed++) {
      const missing = context.train.filter(({ id }) => !lessons.has(id));
      const open = missing.slice(0, Math.max(0, context.callsLeft()) / predictors);
      if (open.length < missing.length) sayThatTheBudgetEnds(context, open.length, missing.length);
      if (open.length === 0) return lessons;
      const attempt = { temperature: seed === 0 ? 0 : temperature, seed };
      const { rows } = await context.evaluate(teacher.candidate, open, {
        structure: teacher.structure,
        attempt,
        leaveOneOut: true,
        ...(metric ? { metric } : {}),
      });
      for (const row of rows) {
        if (row.failure !== null || !passes(row.score, metricThreshold)) continue;
        const calls = row.trace.flatMap(({ predictor, inputs, outputs }) =>
          outputs ? [{ predictor, inputs, outputs, source: row.example.id, from: 'bootstrapped' as const }] : [],
        );
        lessons.set(row.example.id, calls);
      }
    }
  }
  return lessons;
}

const sayThatTheBudgetEnds = ({ notice }: OptimizerContext, asked: number, missing: number): void =>
  notice({
    code: 'budget-ends-bootstrapping',
    message: `The budget has calls left for ${asked} of ${missing} attempts: the rows are made of what was found until then.`,
  });

const distinct = (lessons: readonly Lesson[]): Lesson[] => [
  ...new Map(
    lessons.map((lesson) => [
      contentId({ predictor: lesson.predictor, inputs: lesson.inputs, outputs: lesson.outputs }),
      lesson,
    ]),
  ).values(),
];

async function fitOrder(
  group: Group,
  served: Candidate,
  parent: Candidate,
  lessons: readonly Lesson[],
  settings: FinetuneSettings,
  context: OptimizerContext,
): Promise<FitOrder> {
  const { base, predictors } = group;
  const rng = context.rng.fork(`rows/${predictors.join('+')}`);
  const own = lessons.filter(({ predictor }) => predictors.includes(predictor));
  const facts = context.base(base);
  const picked = balanced(own, context, rng).slice(
    0,
    settings.maxRows ?? (facts.parameters < smallModel ? 400 : Number.POSITIVE_INFINITY),
  );
  const rows = await Promise.all(picked.map((lesson) => textRow(lesson, served, context)));
  const fitting = await thatFitTheContext(base, rows, context);
  if (fitting.length === 0) {
    throw new StepError(
      'no-rows',
      `No row to train on: ${own.length} answers were good enough (of ${context.train.length} train examples), ${rows.length - fitting.length} rows were too long.`,
      'Label the outputs (rows: "labelled"), give a teacher, raise attempts, or improve the prompt first (strategy "p -> w").',
    );
  }
  const adapters = new Set(predictors.map((name) => parent.predictors[name]?.model.adapter ?? null));
  const [current] = adapters;
  return {
    base,
    startFrom: settings.startFrom === 'adapter' && adapters.size === 1 ? (current ?? null) : null,
    rows: fitting,
    ...fitSettings(settings, facts, fitting.length),
    seed: context.rng.fork('trainer').int(2 ** 31),
    counts: {
      bootstrapped: picked.filter(({ from }) => from === 'bootstrapped').length,
      labelled: picked.filter(({ from }) => from === 'labelled').length,
      surplus: own.length - picked.length,
      tooLong: rows.length - fitting.length,
    },
  };
}

/** Rows in turn from every answer of a closed choice, so that any first n are balanced; shuffled otherwise. */
function balanced(lessons: readonly Lesson[], { structure }: OptimizerContext, rng: Rng): Lesson[] {
  const choiceOf = ({ predictor, outputs }: Lesson): string => {
    const choices = structure.predictors[predictor]?.outputFields.filter(({ kind }) => kind.type === 'choice') ?? [];
    return JSON.stringify([predictor, ...choices.map(({ name }) => outputs[name] ?? null)]);
  };
  const shuffled = rng.shuffle(lessons);
  const turn = new Map<string, number>();
  const placed = shuffled.map((lesson) => {
    const choice = choiceOf(lesson);
    const place = turn.get(choice) ?? 0;
    turn.set(choice, place + 1);
    return { lesson, place };
  });
  return placed.sort((a, b) => a.place - b.place).map(({ lesson }) => lesson);
}

/**
 * The lesson in the prompt that will be served, whoever gave it. Text that decoding forces in front of the first value is given: learning it
 * would take most of the first steps' gradient (and, through Adam's second moment, of the later steps' rate) for what is never decided.
 */
async function textRow(
  { predictor, inputs, outputs, source }: Lesson,
  served: Candidate,
  { structure, embed }: OptimizerContext,
): Promise<TextRow> {
  // Lessons come from predictors of this program only.
  const signature: Signature = structure.predictors[predictor]!;
  const whole: PredictorState = served.predictors[predictor]!;
  const others = { ...whole, demos: whole.demos.filter((demo) => demo.source !== source) };
  // An example is most like itself: shown its own answer, a model would learn to copy.
  const isChosen = whole.nearest !== undefined;
  const state = isChosen ? showing(whole, await nearestDemos(signature, others, inputs, embed)) : whole;
  const given = answerPlan(signature, state)?.findIndex(({ type }) => type !== 'text') ?? 0;
  return { prompt: renderPrompt(signature, state, inputs), pieces: answerPieces(signature, state, outputs), given };
}

async function thatFitTheContext(
  base: string,
  rows: readonly TextRow[],
  context: OptimizerContext,
): Promise<TextRow[]> {
  const room = await context.contextTokens(base);
  const sizes = await context.countTokens(base, rows);
  return rows.filter((_, index) => sizes[index]! <= room);
}
