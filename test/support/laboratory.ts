import { candidateOf, type Program } from '../../src/core/callable.ts';
import { type Candidate, type Demo, mapPredictors } from '../../src/core/candidate.ts';
import { promptFrame } from '../../src/core/chat-format.ts';
import type { Example } from '../../src/core/example.ts';
import type { Metric } from '../../src/core/metric.ts';
import type { Structure } from '../../src/core/program.ts';
import { exactJudge, noisyJudge } from './laboratory-metric.ts';
import { chanceOf, type Helps, studentScript } from './laboratory-student.ts';
import { type Kind, kinds, onePredictor, rows, twoPredictors } from './laboratory-task.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';

/** A program to be optimized whose optimum is known. */
export interface Problem {
  readonly structure: Structure;
  readonly start: Candidate;
  /** None scores higher on any row. */
  readonly best: Candidate;
  readonly train: readonly Example[];
  readonly val: readonly Example[];
  /** Never part of a context. */
  readonly test: readonly Example[];
  readonly metric: Metric;
  /** A new student; its requests are its own. */
  student(): ScriptedModel;
  /** The mean score on all tickets that there could be: what val and test only estimate. */
  expectedScore(candidate: Candidate): number;
}

export interface ProblemOptions {
  readonly helps: Helps;
  /** Two predictors have to be right both. */
  readonly predictors?: 1 | 2;
  /** Other rows for another seed. */
  readonly seed?: number;
  readonly sizes?: { readonly train: number; readonly val: number; readonly test: number };
  /** The share of train rows with a wrong label. */
  readonly mislabelled?: number;
  /** The share of scores that mean nothing; scores are graded then. */
  readonly noise?: number;
}

/** Equal options, equal problem. */
export function problem({ helps, predictors = 1, seed = 0, ...options }: ProblemOptions): Problem {
  const { sizes = { train: 24, val: 16, test: 40 }, mislabelled = 0, noise = 0 } = options;
  const student = () => scriptedModel(studentScript(helps), 'student');
  // `as`: the two differ in the types of their fields only.
  const program = (predictors === 1 ? onePredictor() : twoPredictors()) as unknown as Program;
  const start = candidateOf(program.withLm(student()));
  const { structure } = program;
  // All that a demo of either predictor needs; scores look at the team alone.
  const labels = predictors === 1 ? (['team'] as const) : (['topic', 'team'] as const);
  const judge = noise === 0 ? exactJudge : noisyJudge(noise);
  const chance = chanceOfBeingRight(structure, helps);
  return {
    structure,
    start,
    best: helps === 'nothing' ? start : withAllThatHelps(start, structure),
    train: rows({ seed, labels, split: 'train', count: sizes.train, mislabelled }),
    val: rows({ seed, labels, split: 'val', count: sizes.val, mislabelled: 0 }),
    test: rows({ seed, labels, split: 'test', count: sizes.test, mislabelled: 0 }),
    metric: judge.metric,
    student,
    expectedScore: (candidate) => judge.expected(chance(candidate)),
  };
}

/** The mean over kinds of the chance that all predictors are right: wrong answers never make up for each other. */
function chanceOfBeingRight({ predictors }: Structure, helps: Helps): (candidate: Candidate) => number {
  const ofKind = (candidate: Candidate, kind: Kind) =>
    Object.entries(candidate.predictors).reduce((product, [name, state]) => {
      const frame = promptFrame(predictors[name]!, state);
      return product * chanceOf(helps, kind, name === 'find' ? 'topic' : 'team', frame);
    }, 1);
  return (candidate) => kinds.reduce((sum, kind) => sum + ofKind(candidate, kind), 0) / kinds.length;
}

/** Every clue in the instructions, and a demo of every kind. */
function withAllThatHelps(start: Candidate, { predictors }: Structure): Candidate {
  return mapPredictors(start, (state, name) => {
    const { inputFields, outputFields } = predictors[name]!;
    const demos = kinds.map((kind): Demo => {
      const known = { ticket: `A case of ${kind.clue}`, topic: kind.topic, team: kind.team };
      // `as`: the task has no other fields.
      const pick = (fields: typeof inputFields) =>
        Object.fromEntries(fields.map((field) => [field.name, known[field.name as keyof typeof known]]));
      return { inputs: pick(inputFields), outputs: pick(outputFields), source: `known-${kind.clue}` };
    });
    const clues = kinds.map(({ clue }) => clue).join(', ');
    return { ...state, instructions: `${state.instructions} Look for ${clues}.`, demos };
  });
}
