import { verificationText } from '../../report/verification-text.ts';
import type { Output } from '../output.ts';
import { verifyRun } from '../verify-run.ts';

export interface VerifyFlags {
  readonly store: string;
  readonly sample: number;
  readonly all: boolean;
  readonly seed: number;
  readonly model: readonly string[];
}

const lineEvery = 50;

/** Asks calls of a run again and prints what came of it; whether no answer differs from what is stored. */
export async function verifyCommand(
  run: string,
  { store, sample, all, seed, model }: VerifyFlags,
  signal: AbortSignal,
  output: Output,
): Promise<boolean> {
  const verification = await verifyRun(run, {
    store,
    models: model,
    sample: all ? 'all' : sample,
    seed,
    signal,
    onCall: (done, total) => {
      if (done % lineEvery === 0 && done < total) output.note(`  ${done} of ${total} calls asked again`);
    },
  });
  output.result(verification, () => verificationText(verification));
  return verification.status !== 'differs';
}
