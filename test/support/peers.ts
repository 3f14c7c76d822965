import { type Candidate, mapPredictors } from '../../src/core/candidate.ts';
import type { Fields } from '../../src/core/json.ts';
import type { AnswerPlan } from '../../src/core/lm.ts';
import { type Metric, toScore } from '../../src/core/metric.ts';
import type { Optimizer } from '../../src/core/optimizer.ts';
import type { Trace } from '../../src/core/trace.ts';
import { gepa } from '../../src/optimize/gepa/gepa.ts';
import { miproV2 } from '../../src/optimize/mipro/mipro-v2.ts';
import { bootstrapFewShotWithRandomSearch } from '../../src/optimize/random-search/random-search.ts';
import { type Problem, type ProblemOptions, problem } from './laboratory.ts';
import { writer } from './laboratory-writer.ts';
import { optimizerContext } from './optimizer-context.ts';
import { type ChatMessage, studentAnswer, writerAnswer } from './peer-chat.ts';
import type { ScriptedModel } from './scripted-model.ts';

// What `npm run bench -- peers` needs of the laboratory: it bundles this file.

export { holm, signFlipTest } from './peer-statistics.ts';

/** The laboratory's problems, by what is said of them in a table. */
export const problems: { readonly [name: string]: Omit<ProblemOptions, 'seed'> } = {
  'instructions help': { helps: 'instructions' },
  'instructions help, 2 predictors': { helps: 'instructions', predictors: 2 },
  'demos help': { helps: 'demos' },
  'demos help, 2 predictors': { helps: 'demos', predictors: 2 },
  'demos help, a quarter mislabelled': { helps: 'demos', mislabelled: 0.25 },
  'both help': { helps: 'both' },
  'both help, 2 predictors': { helps: 'both', predictors: 2 },
  'both help, 40 % of the scores are noise': { helps: 'both', noise: 0.4 },
  'nothing helps': { helps: 'nothing' },
};

/**
 * Both sides' prompt model: half of the clues that it is shown, and none that it is not. DSPy is never told that its notes are complete, so
 * neither are we: a closed choice is its last option, which for yes or no is no.
 */
function writerOf(seed: number): ScriptedModel {
  const model = writer({ finds: 0.5 }, seed);
  return {
    ...model,
    generate: (request, options) => model.generate({ ...request, answer: lastFirst(request.answer) }, options),
  };
}

const lastFirst = (answer: AnswerPlan): AnswerPlan =>
  answer?.map((part) => (part.type === 'choice' ? { ...part, options: part.options.toReversed() } : part)) ?? null;

const trialsOf = (predictors: number) => (predictors === 1 ? 10 : 20);

/** Rows of the laboratory's val split: a trial that ours has calls for takes as many. */
const valRows = 16;

// A token of a scripted model is a character, so our usual cap on demos would leave half of them out; the peers have no cap.
const maxDemoTokens = 10_000;

/**
 * The optimizers: the peer's settings, and ours. The peer spends what its settings come to; ours has the same settings, but goes on where it
 * needed fewer metric calls.
 */
export const optimizers: {
  readonly [name: string]: {
    settings(predictors: number): { readonly [name: string]: number };
    ours(metricCalls: number): Optimizer;
  };
} = {
  gepa: {
    settings: () => ({ maxMetricCalls: 150 }),
    ours: (metricCalls) => gepa({ maxMetricCalls: metricCalls }),
  },
  // As many trials as DSPy's light setting makes with 6 candidates.
  miproV2: {
    settings: (predictors) => ({ numCandidates: 6, numTrials: trialsOf(predictors) }),
    ours: (metricCalls) =>
      miproV2({ auto: null, numCandidates: 6, numTrials: Math.floor(metricCalls / valRows), maxDemoTokens }),
  },
  // 4 demos in all, since 16 of 24 rows show every kind: then all that is found is the best there is.
  'random-search': {
    settings: () => ({ numCandidatePrograms: 8, maxLabeledDemos: 4 }),
    ours: () => bootstrapFewShotWithRandomSearch({ numCandidatePrograms: 100, maxLabeledDemos: 4, maxDemoTokens }),
  },
};

/** A program as a peer found it. */
export type Found = {
  readonly [predictor: string]: { readonly instructions: string; readonly demos: readonly Fields[] };
};

interface JobOptions {
  readonly optimizer: string;
  readonly problem: string;
  readonly seed: number;
}

/** One optimizer on one problem with one seed, for a peer to do: what it is told, and what it may ask. */
export function openJob({ optimizer, problem: name, seed }: JobOptions) {
  const given = problem({ ...problems[name]!, seed });
  const promptModel = writerOf(seed);
  const draws = new Map<string, number>();
  return {
    told: {
      optimizer,
      seed,
      train: given.train,
      val: given.val,
      predictors: predictorsOf(given),
      isNoisy: problems[name]!.noise !== undefined,
      settings: optimizers[optimizer]!.settings(Object.keys(given.structure.predictors).length),
    },
    start: given.expectedScore(given.start),
    best: given.expectedScore(given.best),
    student: ({ messages }: { messages: readonly ChatMessage[] }) => studentAnswer(given, messages),
    /** Above temperature 0 each answer to one question is a draw of its own. */
    writer({ messages, temperature }: { messages: readonly ChatMessage[]; temperature: number }) {
      const question = JSON.stringify(messages);
      const seed = draws.get(question) ?? 0;
      draws.set(question, seed + 1);
      return writerAnswer(promptModel, messages, { temperature, seed });
    },
    async metric({
      inputs,
      labels,
      outputs,
      prompts,
    }: {
      inputs: Fields;
      labels: Fields;
      outputs: Fields;
      prompts: unknown[];
    }) {
      // `as`: the laboratory's metrics look at the prompts of a trace only.
      const trace = prompts.map((prompt) => ({ request: { prompt } })) as unknown as Trace;
      const { value, feedback } = toScore(await given.metric({ inputs, labels }, outputs, trace));
      return { score: value, feedback: feedback ?? 'This is right.' };
    },
    /** What the peer's program is truly worth, and what ours finds with as many metric calls. */
    async close({ program, metricCalls }: { program: Found; metricCalls: number }) {
      const ours = await ourRun(optimizers[optimizer]!.ours(metricCalls), given, { seed, metricCalls });
      return { theirs: { score: given.expectedScore(asCandidate(given, program)), metricCalls }, ours };
    },
  };
}

function predictorsOf({ structure, start }: Problem) {
  return Object.entries(structure.predictors).map(([name, { inputFields, outputFields }]) => ({
    name,
    instructions: start.predictors[name]!.instructions,
    inputs: inputFields.map((field) => field.name),
    outputs: Object.fromEntries(
      outputFields.map((field) => [field.name, field.kind.type === 'choice' ? field.kind.values : []]),
    ),
  }));
}

/** A peer's program as a candidate of ours. */
export function asCandidate({ structure, start }: Problem, found: Found): Candidate {
  return mapPredictors(start, (state, name) => {
    const { inputFields, outputFields } = structure.predictors[name]!;
    const { instructions, demos } = found[name]!;
    const pick = (demo: Fields, fields: typeof inputFields): Fields =>
      Object.fromEntries(
        fields.flatMap((field) => (demo[field.name] === undefined ? [] : [[field.name, demo[field.name]!]])),
      );
    return {
      ...state,
      instructions,
      demos: demos.map((demo, index) => ({
        inputs: pick(demo, inputFields),
        outputs: pick(demo, outputFields),
        source: `demo-${index}`,
      })),
    };
  });
}

/** Our optimizer with so many metric calls and not one more. Questions to the prompt model are free, as they are for the peers. */
export async function ourRun(
  optimizer: Optimizer,
  given: Problem,
  { seed, metricCalls }: { readonly seed: number; readonly metricCalls: number },
): Promise<{ readonly score: number; readonly metricCalls: number }> {
  let spent = 0;
  const metric: Metric = (...asked) => {
    spent++;
    return given.metric(...asked);
  };
  const { train, val, structure } = given;
  const tools = { train, val, metric, seed, promptModel: writerOf(seed) };
  const { context } = optimizerContext(given.student(), structure, tools);
  const callsEach = Object.keys(structure.predictors).length;
  const callsLeft = () => Math.max(0, metricCalls - spent) * callsEach;
  const { candidate } = await optimizer.optimize(given.start, { ...context, callsLeft });
  if (spent > metricCalls) throw new Error(`Ours made ${spent} metric calls where the peer made ${metricCalls}.`);
  return { score: given.expectedScore(candidate), metricCalls: spent };
}
