import type { Candidate } from '../core/candidate.ts';
import { type Dropped, droppedText, type TrainingRow } from '../core/data-set.ts';
import { InputError, StepError } from '../core/errors.ts';
import type { FitOrder, OptimizerContext } from '../core/optimizer.ts';
import { type EvaluationChoices, evaluationSettings, heldOutShare } from './evaluation-settings.ts';
import { type FitChoices, fitSettings } from './fit-settings.ts';
import { holdOut } from './held-out.ts';
import type { LessonSettings, Lessons } from './lessons.ts';
import { type LoadChoices, loadMistakes, mergeOf } from './load-parameters.ts';
import { type Group, pickRows, type RowSettings } from './training-rows.ts';

/** What one adapter is made from. */
export interface Fitting {
  readonly group: Group;
  /** The prompt that the rows carry. */
  readonly served: Candidate;
  readonly parent: Candidate;
  readonly collected: Lessons;
}

type OrderSettings = FitChoices &
  EvaluationChoices &
  LoadChoices &
  RowSettings & { readonly startFrom: 'base' | 'adapter' };

/** Refuses what would have no effect, whatever the rows are. */
export function checkFit(settings: FitChoices & EvaluationChoices & LoadChoices & Pick<LessonSettings, 'rows'>): void {
  const { epochs, steps, heldOut, method, beta, rows, ...about } = settings;
  const names = (['evaluateSteps', 'patience', 'keepCheckpoint'] as const).filter((name) => about[name] !== null);
  const mistakes = [
    ...(epochs !== null && steps !== null ? ['epochs and steps are both given, and both say how long to train.'] : []),
    ...(method === 'sft' && beta !== null ? [`beta ${beta}: about method "dpo", and the method is "sft".`] : []),
    ...(method === 'dpo' && rows === 'distilled'
      ? ['method "dpo" needs failed attempts, and rows "distilled" takes every answer as it is.']
      : []),
    ...(names.length > 0 && !heldOut
      ? [`${names.join(', ')}: about held-out rows, of which heldOut asks for none.`]
      : []),
    ...loadMistakes(settings),
  ];
  if (mistakes.length > 0)
    throw new InputError(
      'fit-settings',
      mistakes,
      'Leave out the setting that cannot have an effect, or give what it is about: heldOut: 0.1, method: "dpo", load: "merged".',
    );
}

/** The rows of an adapter and how it is trained. Throws a StepError where there is nothing to learn. */
export async function fitOrder(
  fitting: Fitting,
  settings: OrderSettings,
  context: OptimizerContext,
): Promise<FitOrder> {
  const { group, parent } = fitting;
  const { base, predictors } = group;
  const facts = context.base(base);
  const { rows: picked, dropped } = await pickRows(group, fitting.served, fitting.collected, settings, context);
  if (picked.length === 0) throw nothingToLearn(settings.method, context.train.length, dropped);
  const share = heldOutShare(settings, facts, picked.length);
  const rows = holdOut(picked, share, context.rng.fork(`held-out/${predictors.join('+')}`));
  const fit = fitSettings(settings, facts, requireBothSides(rows, share));
  return {
    base,
    startFrom: settings.startFrom === 'adapter' ? adapterOf(predictors, parent, context) : null,
    rows,
    ...fit,
    evaluation: share > 0 ? evaluationSettings(settings, fit.training.steps) : null,
    seed: context.rng.fork('trainer').int(2 ** 31),
    merge: mergeOf(settings),
    dropped,
  };
}

function nothingToLearn(method: 'sft' | 'dpo', examples: number, dropped: Dropped): StepError {
  const why = `of ${examples} train examples (${droppedText(dropped) || 'there is nothing to learn in them'})`;
  return method === 'dpo'
    ? new StepError(
        'no-pairs',
        `No pair of a good and a failed answer to the same question, ${why}.`,
        'Make more attempts at a higher temperature and all of them (attempts: 4, keep: "best-of-n"), label the outputs (rows: "both"), or learn the good answers alone (method: "sft").',
      )
    : new StepError(
        'no-rows',
        `No row to train on, ${why}.`,
        'Label the outputs (rows: "labelled"), give a teacher, raise attempts, or improve the prompt first (strategy "p -> w").',
      );
}

/** The adapter to go on from; null where there is none yet. Predictors that have different ones begin afresh together. */
function adapterOf(predictors: readonly string[], parent: Candidate, { notice }: OptimizerContext): string | null {
  const [first = null, ...others] = new Set(predictors.map((name) => parent.predictors[name]?.model.adapter ?? null));
  if (others.length === 0) return first;
  notice({
    code: 'adapters-differ',
    message: `The predictors ${predictors.join(', ')} have different adapters, so one adapter for them all begins afresh: multitask: false continues each.`,
  });
  return null;
}

/** How many rows are learned. Throws where the share leaves nothing on one of the two sides. */
function requireBothSides(rows: readonly TrainingRow[], share: number): number {
  const learned = rows.filter(({ heldOut }) => !heldOut).length;
  if (learned > 0 && (share === 0 || learned < rows.length)) return learned;
  throw new StepError(
    'held-out-rows',
    `With heldOut ${share}, of ${rows.length} rows ${learned} are learned and ${rows.length - learned} held out.`,
    'Give more examples, another share, or heldOut: 0.',
  );
}
