import { candidateId } from '../../src/core/candidate.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import { bootstrapFewShot } from '../../src/optimize/bootstrap-few-shot.ts';
import { copro } from '../../src/optimize/copro/copro.ts';
import { gepa } from '../../src/optimize/gepa/gepa.ts';
import { inferRules } from '../../src/optimize/infer-rules.ts';
import { labeledFewShot } from '../../src/optimize/labeled-few-shot.ts';
import { miproV2 } from '../../src/optimize/mipro/mipro-v2.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { simba } from '../../src/optimize/simba/simba.ts';
import type { ProblemOptions } from './laboratory.ts';
import { trueScores } from './laboratory-compare.ts';
import { measuredOnTest } from './laboratory-run.ts';
import { chanceOfSuchLoss, holm } from './laboratory-statistics.ts';

/** Every optimizer of prompts, its defaults but for sizes that leave a budget of `maxCalls` room for more than one round. */
const optimizers = {
  labeledFewShot: labeledFewShot(),
  bootstrapFewShot: bootstrapFewShot(),
  // More candidates than fit: the budget ends the search.
  bootstrapFewShotWithRandomSearch: bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 100 }),
  copro: copro(),
  inferRules: inferRules(),
  miproV2: miproV2(),
  gepa: gepa(),
  simba: simba({ bsize: 8, numCandidates: 4 }),
} satisfies { readonly [name: string]: Optimizer };

type OptimizerName = keyof typeof optimizers;

/** Calls that each optimizer may make on each problem, those to the prompt model among them. */
export const maxCalls = 300;

/** Half of the clues that it is shown, and a tenth of those that it is not. */
export const habits = { finds: 0.5, guesses: 0.1 };

/** What there is to optimize, by what is special about it. */
const problems = {
  'instructions help': { helps: 'instructions' },
  'demos help, a quarter is mislabelled': { helps: 'demos', mislabelled: 0.25 },
  'both help': { helps: 'both' },
  'both help, two predictors': { helps: 'both', predictors: 2 },
  'both help, noisy grades': { helps: 'both', noise: 0.4 },
  'demos harm, noisy grades': { helps: 'demos', mislabelled: 0.75, noise: 0.4 },
  'nothing helps': { helps: 'nothing' },
} satisfies { readonly [name: string]: ProblemOptions };

type ProblemName = keyof typeof problems;

export const seeds = 20;

/** One optimizer on one problem, with every seed. */
interface Cell {
  readonly optimizer: OptimizerName;
  readonly problem: ProblemName;
  readonly scores: Awaited<ReturnType<typeof trueScores>>;
  /** What the program that was found scores more than the start on the sealed test rows; one for every seed. */
  readonly gainsOnTest: readonly number[];
  /** Whether with every seed the start itself came back. */
  readonly isKept: boolean;
}

export async function cellOf(optimizer: OptimizerName, problem: ProblemName): Promise<Cell> {
  const scores = await trueScores(optimizers[optimizer], { ...problems[problem], seeds, maxCalls, habits });
  const gainsOnTest: number[] = [];
  for (const { given, found } of scores.programs) {
    const [before, after] = [await measuredOnTest(given, given.start), await measuredOnTest(given, found)];
    gainsOnTest.push(after.mean - before.mean);
  }
  const isKept = scores.programs.every(({ given, found }) => candidateId(found) === candidateId(given.start));
  return { optimizer, problem, scores, gainsOnTest, isKept };
}

/** For each cell how probable such a loss on the sealed test rows would be by chance, with as many looks as there are cells (Holm). */
export const chancesOfLoss = (cells: readonly Cell[]): number[] =>
  holm(cells.map(({ gainsOnTest }) => chanceOfSuchLoss(gainsOnTest)));

// `as`, twice: the names are those of the tables above.
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];
export const problemNames = Object.keys(problems) as ProblemName[];
