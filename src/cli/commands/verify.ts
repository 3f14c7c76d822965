import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verificationText } from '../../report/verification-text.ts';
import { readArchive } from '../../store/run-archive.ts';
import { temporaryFolder } from '../../system/temporary-folder.ts';
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

/** Asks calls of a run, or of an archived run, again and prints what came of it; whether nothing differs from what is stored. */
export async function verifyCommand(
  run: string,
  flags: VerifyFlags,
  signal: AbortSignal,
  output: Output,
): Promise<boolean> {
  if (!existsSync(run)) return verifyStored(run, flags, signal, output);
  const folder = temporaryFolder();
  try {
    const store = join(folder.path, 'runs.sqlite');
    return await verifyStored(readArchive(run, store), { ...flags, store }, signal, output);
  } finally {
    folder.remove();
  }
}

async function verifyStored(
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
