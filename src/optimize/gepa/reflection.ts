import { type Candidate, predictorState, withPredictor } from '../../core/candidate.ts';
import type { Row } from '../../core/metric.ts';
import type { Rng } from '../../core/rng.ts';
import type { Call, Trace } from '../../core/trace.ts';
import { type Proposer, proposalStyle } from '../proposals.ts';
import { fieldsText, valueText } from '../task-text.ts';
import type { GepaSettings } from './parameters.ts';

/** One example of a minibatch as the prompt model sees it: a line, so that shortening takes out whole examples. */
export interface ReflectionRecord {
  readonly line: string;
  readonly isFailure: boolean;
}

type RecordSettings = Pick<GepaSettings, 'perfectScore' | 'addFormatFailureAsFeedback'>;

/** What the rows teach about one predictor, the worst first. A row whose trace has nothing of this predictor to show gives no record. */
export function reflectionRecords(
  rows: readonly Row[],
  predictor: string,
  settings: RecordSettings,
  rng: Rng,
): ReflectionRecord[] {
  return rows
    .toSorted((a, b) => a.score.value - b.score.value)
    .flatMap((row) => {
      const call = callOf(row.trace, predictor, settings, rng);
      return call ? [{ line: lineOf(row, call), isFailure: row.score.value < settings.perfectScore }] : [];
    });
}

/** By the predictor's name, since two predictors may have one signature; of several calls any. An unreadable answer says the most. */
function callOf(
  trace: Trace,
  predictor: string,
  { addFormatFailureAsFeedback }: RecordSettings,
  rng: Rng,
): Call | undefined {
  const calls = trace.filter((call) => call.predictor === predictor);
  const unreadable = calls.find(({ failure }) => failure !== null);
  if (unreadable && addFormatFailureAsFeedback) return unreadable;
  const answered = calls.filter(({ outputs }) => outputs !== null);
  return answered[rng.int(answered.length)];
}

function lineOf(row: Row, { inputs, outputs, response, failure }: Call): string {
  const raw = response.failure ? '' : response.pieces.join('');
  const answer = outputs ? `Answer ${fieldsText(outputs)}` : `Unreadable answer ${valueText(raw)}`;
  return `Input ${fieldsText(inputs)} | ${answer} | Feedback: ${valueText(failure?.message ?? feedbackOf(row))}`;
}

/** What the metric said, else the score in words and what the labels say. */
function feedbackOf({ score, example }: Row): string {
  if (score.feedback !== undefined) return score.feedback;
  const sentence = `Score ${Number(score.value.toFixed(2))} of 1.`;
  return Object.keys(example.labels).length === 0 ? sentence : `${sentence} Expected ${fieldsText(example.labels)}.`;
}

const styles = {
  reflect: proposalStyle(
    'reflect',
    'You improve the instructions that a language model follows. Each line of the examples is one of its answers, with feedback. ' +
      'Find out what the task is and which general rules and facts the feedback teaches. Then write the complete new instructions: ' +
      'keep what works, and add what would have made the wrong answers right. Do not mention the examples.',
    ['currentInstructions', 'examples'],
  ),
  mend: proposalStyle(
    'mend',
    'A language model that followed these instructions made these mistakes. Write instructions with which it would not have made them, ' +
      'as general rules.',
    ['currentInstructions', 'mistakes'],
  ),
  rewrite: proposalStyle('rewrite', 'Write these instructions for a language model again, clearer and more exact.', [
    'currentInstructions',
  ]),
};

/** Questions that one new instruction takes at most. */
export const questionsPerProposal = Object.keys(styles).length;

export interface Reflection {
  readonly settings: RecordSettings & Pick<GepaSettings, 'reflectionTemperature'>;
  readonly proposer: Proposer;
  isTried(candidate: Candidate): boolean;
}

/** The parent with new instructions for these predictors, made from how it did on some rows; null when nothing new came of it. */
export async function reflect(
  parent: Candidate,
  predictors: readonly string[],
  rows: readonly Row[],
  { settings, proposer, isTried }: Reflection,
  rng: Rng,
): Promise<Candidate | null> {
  let child = parent;
  for (const predictor of predictors) {
    const own = rng.fork(predictor);
    const records = reflectionRecords(rows, predictor, settings, own.fork('records'));
    if (records.length === 0) continue;
    const state = child;
    const withText = (instructions: string): Candidate => withPredictor(state, predictor, { instructions });
    const mistakes = records.filter(({ isFailure }) => isFailure);
    const { instructions } = predictorState(parent, predictor);
    const text = await proposer.propose({
      styles: mistakes.length > 0 ? Object.values(styles) : [styles.reflect, styles.rewrite],
      inputs: { currentInstructions: instructions, examples: linesOf(records), mistakes: linesOf(mistakes) },
      shortenable: ['examples', 'mistakes'],
      parent: instructions,
      isKnown: (proposed) => isTried(withText(proposed)),
      temperature: settings.reflectionTemperature,
      seed: own.fork('proposal').int(2 ** 20),
    });
    if (text !== null) child = withText(text);
  }
  return isTried(child) ? null : child;
}

const linesOf = (records: readonly ReflectionRecord[]): string => records.map(({ line }) => line).join('\n');
