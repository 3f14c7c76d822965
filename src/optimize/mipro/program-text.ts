import { z } from 'zod';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Structure } from '../../core/program.ts';
import { signature } from '../../core/signature.ts';
import { taskText } from '../task-text.ts';
import { inquire } from './ask.ts';

const text = z.string().min(1).max(500);

const describeProgram = signature({
  instructions:
    'This is a program whose steps are carried out by a language model. Say in two sentences what it is for.',
  inputs: { program: z.string() },
  outputs: { purpose: text },
});

const describeStep = signature({
  instructions:
    'This is a program whose steps are carried out by a language model. Say in one sentence what one of them is there for.',
  inputs: { program: z.string(), purpose: z.string(), step: z.string() },
  outputs: { role: text },
});

/** What the prompt model makes of the program. Of what it could not say there is nothing. */
export interface ProgramDescription {
  readonly purpose: string | null;
  /** By predictor. */
  readonly roles: { readonly [predictor: string]: string };
}

export const noDescription: ProgramDescription = { purpose: null, roles: {} };

/**
 * Asks once for the program and once for each step; DSPy asks again for every proposal. A program of a single step is what its signature
 * says, so nothing is asked.
 */
export async function describe(context: OptimizerContext, temperature: number): Promise<ProgramDescription> {
  const names = Object.keys(context.structure.predictors);
  if (names.length < 2) return noDescription;
  const rng = context.rng.fork('program-text');
  const program = programText(context.structure);
  const ask = (question: typeof describeProgram | typeof describeStep, more: { readonly [name: string]: string }) =>
    inquire(context, {
      question,
      inputs: { program, ...more },
      shortenable: 'program',
      temperature,
      seed: rng.int(2 ** 20),
    });
  const described = await ask(describeProgram, {});
  if (described === null) return noDescription;
  const purpose = String(described.purpose);
  const roles: { [predictor: string]: string } = {};
  for (const step of names) {
    const answer = await ask(describeStep, { purpose, step });
    if (answer !== null) roles[step] = String(answer.role);
  }
  return { purpose, roles };
}

/** The program as its author wrote it: the steps' signatures and the code around them. */
const programText = ({ predictors, run }: Structure): string =>
  [...Object.entries(predictors).map(([name, step]) => `${name}: ${taskText(step)}`), run.toString()].join('\n');
