import type { OptimizerContext } from '../../core/optimizer.ts';
import { sayThatTheBudgetEnds } from '../notices.ts';
import { type Combination, suggest } from '../tpe.ts';
import type { MiproPlan } from './settings.ts';
import { createTrials, type Trials, type TrialsOrder } from './trials.ts';

interface SearchOrder extends TrialsOrder {
  readonly plan: MiproPlan;
  readonly minibatchFullEvalSteps: number;
}

/**
 * Tries combinations where the Parzen estimator expects most: each on all rows, or each on a minibatch of its own and, every few trials and
 * at the end, the most promising one on all. Ends early when the budget does, when everything was tried, and at full marks.
 */
export async function search(context: OptimizerContext, order: SearchOrder): Promise<Trials> {
  const { plan, space, rows } = order;
  const trials = createTrials(context, order);
  const isPerfect = () => trials.best().full!.score! >= 1;
  let sinceFullScore = 0;
  for (let trial = 1; trial <= plan.trials && !isPerfect(); trial++) {
    // Every trial has streams of its own: what one draws does not shift the next.
    const among = (isOpen: Trials['isOpen']) =>
      suggest(space.sizes, trials.observations(), context.rng.fork(`trial/${trial}`), {
        startupTrials: plan.startupTrials,
        isOpen,
      });
    // Left to itself the estimator, as optuna's, suggests again and again what is best so far: new combinations alone found the best of one
    // test problem in 55 trials instead of 95 (tpe.test.ts, "needs fewer still").
    const combination = among(trials.isUntried) ?? among(trials.isOpen);
    if (combination === null || !affords(context, order, trials, combination)) break;
    if (plan.minibatchRows === null) {
      await trials.scoreInFull(combination);
      continue;
    }
    const minibatch = context.rng.fork(`minibatch/${trial}`).sample(rows, plan.minibatchRows);
    await trials.scoreOn(minibatch, combination);
    sinceFullScore++;
    if (sinceFullScore === order.minibatchFullEvalSteps) {
      await scoreMostPromising(trials);
      sinceFullScore = 0;
    }
  }
  if (sinceFullScore > 0) await scoreMostPromising(trials);
  return trials;
}

async function scoreMostPromising(trials: Trials): Promise<void> {
  const promising = trials.mostPromising();
  if (promising) await trials.scoreInFull(promising);
}

/** Whether there are calls for this trial. A minibatch alone decides nothing: one full score after it has to be affordable too. */
function affords(context: OptimizerContext, order: SearchOrder, trials: Trials, combination: Combination): boolean {
  const { rows, callsEach, plan } = order;
  const wanted =
    plan.minibatchRows === null
      ? trials.callsFor(combination, rows.length)
      : trials.callsFor(combination, plan.minibatchRows) + rows.length * callsEach;
  if (context.callsLeft() >= wanted) return true;
  sayThatTheBudgetEnds(context, trials.all().length);
  return false;
}
