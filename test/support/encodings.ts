import { join } from 'node:path';
import { execa } from 'execa';
import { pythonProgram, trainerSource } from '../../src/system/folders.ts';
import { python } from './trainer-jobs.ts';

/** How the weights of a base can be written: whole, in few bits, and as K-quants. */
export const encodings = ['F16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q4_K_M'] as const;
export type EncodingName = (typeof encodings)[number];

/** The same model in another encoding; returns its path. */
export async function reencoded(source: string, folder: string, encoding: EncodingName): Promise<string> {
  const target = join(folder, `${encoding}.gguf`);
  if (encoding === 'Q4_K_M') await python('k_quants.py', source, target);
  else
    await execa(pythonProgram(), ['-m', 'better_together_trainer', 'reencode', source, target, '--type', encoding], {
      env: { PYTHONPATH: trainerSource() },
    });
  return target;
}
