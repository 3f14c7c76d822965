import { type Candidate, type PredictorState, predictorState, showing } from '../core/candidate.ts';
import { renderPrompt } from '../core/chat-format.ts';
import { choiceName } from '../core/choice.ts';
import { shortId } from '../core/json.ts';
import type { SignatureFields } from '../core/signature.ts';

/** The messages that a candidate sends, exactly, with {field} where the inputs go. */
export function promptText(predictors: { readonly [name: string]: SignatureFields }, candidate: Candidate): string {
  return Object.entries(predictors)
    .map(([name, signature]) => {
      const state = predictorState(candidate, name);
      const placeholders = Object.fromEntries(signature.inputFields.map((field) => [field.name, `{${field.name}}`]));
      const { system, turns, user } = renderPrompt(signature, shownTo(state), placeholders);
      const { base, adapter } = state.model;
      return [
        `predictor ${name} (${state.chatFormat}${state.labelList ? ' without its labels' : ''}, ${state.decoding}, ${labelsOf(state)}${demosOf(state)}, base ${shortId(base)}, adapter ${adapter ? shortId(adapter) : 'none'})`,
        ...messageLines('system', system),
        ...turns.flatMap((turn) => [...messageLines('user', turn.user), ...messageLines('assistant', turn.assistant)]),
        ...messageLines('user', user),
      ].join('\n');
    })
    .join('\n\n');
}

const demosOf = ({ demos, nearest }: PredictorState): string =>
  nearest === undefined
    ? `${demos.length} demos`
    : `the ${nearest} of ${demos.length} demos that are most like the question`;

/** Which demos a question will be shown is not known without the question. */
const shownTo = (state: PredictorState): PredictorState => (state.nearest === undefined ? state : showing(state, []));

/** How labels are taken, where that is not the usual way. */
const labelsOf = ({ choice }: PredictorState): string => (choice === 'greedy' ? '' : `labels ${choiceName(choice)}, `);

export const messageLines = (role: string, text: string): string[] => [
  `  ${role}:`,
  ...text.split('\n').map((line) => `    ${line}`),
];
