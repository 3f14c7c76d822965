import { shortId } from '../core/json.ts';
import type { StepTraining } from '../core/step-training.ts';
import type { LossAtStep, TrainingOutcome } from '../core/trainer.ts';

type Trained = Pick<StepTraining, 'adapter' | 'steps' | 'finalLoss'> & { readonly outcome?: TrainingOutcome };

/** A training in a few lines: what it began with and how long it took, and what held-out rows and neutral text said. */
export function trainingLines({ adapter, steps, finalLoss, outcome }: Trained): string[] {
  const from = outcome && (outcome.startFrom ? `, continued from ${shortId(outcome.startFrom)}` : ', begun afresh');
  const loss = finalLoss === null ? '' : `, loss ${finalLoss.toFixed(3)}`;
  return [
    `adapter ${shortId(adapter)}${from ?? ''}: ${steps} ${outcome?.method === 'dpo' ? 'DPO steps' : 'steps'}${loss}`,
    ...(outcome ? [`forgetting: mean KL ${outcome.forgetting.meanKl} to the base on neutral text`] : []),
    ...(outcome?.heldOut ? [heldOutLine(outcome.heldOut, outcome.keptStep)] : []),
  ];
}

function heldOutLine({ rows, losses }: NonNullable<TrainingOutcome['heldOut']>, keptStep: number): string {
  const at = ({ step, loss }: LossAtStep) => `${loss.toFixed(3)} at step ${step}${step === keptStep ? ' (kept)' : ''}`;
  return `held out: ${rows} rows, loss ${losses.map(at).join(', ')}`;
}
