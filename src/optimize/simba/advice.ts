import { type Candidate, type PredictorState, predictorState, withPredictor } from '../../core/candidate.ts';
import { promptFrame } from '../../core/chat-format.ts';
import type { Row } from '../../core/metric.ts';
import type { OptimizerContext } from '../../core/optimizer.ts';
import type { Rng } from '../../core/rng.ts';
import type { Signature } from '../../core/signature.ts';
import type { Call } from '../../core/trace.ts';
import { type Proposer, proposalStyle } from '../proposals.ts';
import { fieldsText, valueText } from '../task-text.ts';
import { type Bucket, isWorthComparing, type Limits } from './runs.ts';

/** Has the prompt model compare the best and the worst run of an example, and adds what it advises to the instructions. */
export interface Adviser {
  /** Null when the runs are not worth comparing, or no predictor got advice. */
  advised(candidate: Candidate, bucket: Bucket, rng: Rng): Promise<Candidate | null>;
  isUnable(): boolean;
}

interface AdviserOptions {
  readonly proposer: Proposer;
  readonly limits: Limits;
  /** Whether the budget has calls for so many questions and for all that is to be measured then. */
  affords(questions: number): boolean;
}

export function createAdviser(context: OptimizerContext, { proposer, affords, limits }: AdviserOptions): Adviser {
  return {
    isUnable: proposer.isUnable,
    async advised(candidate, bucket, rng) {
      if (!isWorthComparing(bucket, limits)) return null;
      const [best, worst] = [bucket[0]!, bucket.at(-1)!];
      let child = candidate;
      const called = new Set([...best.trace, ...worst.trace].map(({ predictor }) => predictor));
      for (const [name, signature] of Object.entries(context.structure.predictors)) {
        if (!called.has(name) || !affords(styles.length)) continue;
        const state = predictorState(candidate, name);
        if (!(await hasRoom(signature, state, context))) continue;
        const { instructions } = state;
        const advice = await proposer.propose({
          styles,
          inputs: {
            module: name,
            currentInstructions: instructions,
            example: exampleText(best),
            betterRun: runText(best),
            worseRun: runText(worst),
          },
          shortenable: ['betterRun', 'worseRun', 'example'],
          parent: instructions,
          isKnown: (text) => instructions.includes(text),
          temperature: 0,
          seed: rng.fork(name).int(seeds),
        });
        if (advice !== null) child = withPredictor(child, name, { instructions: `${instructions}\n\n${advice}` });
      }
      return child === candidate ? null : child;
    },
  };
}

// Times the proposer's own tries, a seed still fits into 32 bits.
const seeds = 2 ** 24;

/** Advice is added to advice, step after step, until instructions take more than a quarter of the context. */
async function hasRoom(signature: Signature, state: PredictorState, context: OptimizerContext): Promise<boolean> {
  const { base } = state.model;
  const frame = promptFrame(signature, { ...state, demos: [] });
  const [tokens] = await context.countTokens(base, [{ prompt: { ...frame, user: '' }, pieces: null }]);
  return tokens! <= (await context.contextTokens(base)) / 4;
}

const styles = [
  proposalStyle(
    'contrast',
    'A program was run twice on one example, and one run scored better. A module of the program is named. Find out what it did otherwise in ' +
      'the better run. Then write one or two new instructions that are added to those it has, for all cases of this kind: what to look at, and ' +
      'what to do then. Do not mention the example.',
    ['module', 'currentInstructions', 'example', 'betterRun', 'worseRun'],
  ),
  proposalStyle(
    'prevent',
    'A language model followed these instructions and made a mistake. Write one sentence that is added to them, as a general rule with which ' +
      'it would not have made the mistake.',
    ['currentInstructions', 'worseRun'],
  ),
];

/** What went in, and what should have come out as far as it is known. */
function exampleText({ example: { inputs, labels } }: Row): string {
  const expected = Object.keys(labels).length === 0 ? [] : [`Expected: ${fieldsText(labels)}`];
  return [...expected, `Input: ${fieldsText(inputs)}`].join('\n');
}

/** The score first: a text is shortened from its end. */
function runText({ score, failure, trace }: Row): string {
  const feedback = failure?.message ?? score.feedback;
  const verdict = `Score ${Number(score.value.toFixed(2))} of 1.${feedback === undefined ? '' : ` ${valueText(feedback)}`}`;
  return [verdict, ...trace.map(callText)].join('\n');
}

function callText({ predictor, inputs, outputs, response, failure }: Call): string {
  const raw = response.failure ? '' : response.pieces.join('');
  const answer = outputs ? fieldsText(outputs) : `what cannot be read (${failure?.message ?? ''}): ${valueText(raw)}`;
  return `${predictor} was given ${fieldsText(inputs)} and answered ${answer}`;
}
