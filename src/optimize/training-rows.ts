import { type Candidate, type PredictorState, showing } from '../core/candidate.ts';
import { answerPieces, answerPlan, renderPrompt } from '../core/chat-format.ts';
import type { Dropped, TrainingRow } from '../core/data-set.ts';
import { nearestDemos } from '../core/embedding.ts';
import { contentId } from '../core/json.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Signature } from '../core/signature.ts';
import { evenly, inTurn, labelOf } from './balance.ts';
import { smallModel } from './fit-settings.ts';
import type { Lesson } from './lesson.ts';
import type { Lessons } from './lessons.ts';

/** Predictors that are trained together, on one base. */
export interface Group {
  readonly base: string;
  readonly predictors: readonly string[];
}

export interface RowSettings {
  readonly balanced: boolean;
  /** Null: 400 below 500 M parameters, else all. */
  readonly maxRows: number | null;
  /** Tokens of prompt and answer; null: as many as the context holds. */
  readonly maxRowTokens: number | null;
}

/** The rows of one adapter, each of them once, in the order of training; and why there are no more. */
export async function pickRows(
  { base, predictors }: Group,
  served: Candidate,
  collected: Lessons,
  { balanced, maxRows, maxRowTokens }: RowSettings,
  context: OptimizerContext,
): Promise<{ readonly rows: readonly TrainingRow[]; readonly dropped: Dropped }> {
  const rng = context.rng.fork(`rows/${predictors.join('+')}`);
  const own = collected.lessons.filter(({ predictor }) => predictors.includes(predictor));
  const rows = await Promise.all(distinct(own).map((lesson) => trainingRow(lesson, served, context)));
  const ordered = inTurn(rows, rng);
  const even = balanced ? evenly(ordered) : ordered;
  const most = maxRows ?? (context.base(base).parameters < smallModel ? 400 : Number.POSITIVE_INFINITY);
  const picked = even.slice(0, most);
  const sizes = await sizesOf(base, picked, context);
  const room = await context.contextTokens(base);
  const limit = Math.min(room, maxRowTokens ?? room);
  return {
    rows: picked.filter((_, index) => sizes[index]! <= limit),
    dropped: {
      ...collected.dropped,
      duplicates: own.length - rows.length,
      unbalanced: ordered.length - even.length,
      surplus: even.length - picked.length,
      tooLong: sizes.filter((size) => size > room).length,
      overLength: sizes.filter((size) => size > limit && size <= room).length,
    },
  };
}

/** Tokens of each row, of a pair those with its longer answer. */
async function sizesOf(base: string, rows: readonly TrainingRow[], context: OptimizerContext): Promise<number[]> {
  const answered = (piecesOf: (row: TrainingRow) => readonly string[]) =>
    context.countTokens(
      base,
      rows.map((row) => ({ ...row, pieces: piecesOf(row) })),
    );
  const chosen = await answered(({ pieces }) => pieces);
  if (!rows.some(({ rejected }) => rejected)) return chosen;
  const other = await answered(({ pieces, rejected }) => rejected ?? pieces);
  return chosen.map((size, index) => Math.max(size, other[index]!));
}

/** Each call once, as it came first. */
function distinct(lessons: readonly Lesson[]): Lesson[] {
  const known = new Map<string, Lesson>();
  for (const lesson of lessons) {
    const { predictor, inputs, outputs } = lesson;
    const id = contentId({ predictor, inputs, outputs });
    if (!known.has(id)) known.set(id, lesson);
  }
  return [...known.values()];
}

/**
 * The lesson in the prompt that will be served, whoever gave it. Text that decoding forces in front of the first value is given: learning it
 * would take most of the first steps' gradient (and, through Adam's second moment, of the later steps' rate) for what is never decided.
 */
async function trainingRow(
  lesson: Lesson,
  served: Candidate,
  { structure, embed }: OptimizerContext,
): Promise<TrainingRow> {
  const { predictor, example, from, inputs, outputs, rejected } = lesson;
  // Lessons come from predictors of this program only.
  const signature: Signature = structure.predictors[predictor]!;
  const whole: PredictorState = served.predictors[predictor]!;
  const others = { ...whole, demos: whole.demos.filter(({ source }) => source !== example) };
  // An example is most like itself: shown its own answer, a model would learn to copy.
  const isChosen = whole.nearest !== undefined;
  const state = isChosen ? showing(whole, await nearestDemos(signature, others, inputs, embed)) : whole;
  const given = answerPlan(signature, state)?.findIndex(({ type }) => type !== 'text') ?? 0;
  return {
    prompt: renderPrompt(signature, state, inputs),
    pieces: answerPieces(signature, state, outputs),
    ...(rejected ? { rejected: answerPieces(signature, state, rejected) } : {}),
    given,
    predictor,
    example,
    from,
    label: labelOf(signature, outputs),
  };
}
