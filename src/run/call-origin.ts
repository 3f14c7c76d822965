import type { Candidate, PredictorState } from '../core/candidate.ts';
import { candidateId } from '../core/candidate.ts';
import { answerPlan, renderPrompt } from '../core/chat-format.ts';
import type { RunEvent } from '../core/event.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import type { LmRequest } from '../core/lm.ts';
import type { SignatureFields } from '../core/signature.ts';
import type { StoredRun } from '../core/store.ts';

type Turns = LmRequest['prompt']['turns'];

/** Whose question a call was, as far as its prompt tells. */
export interface CallOrigin {
  readonly predictor: string | null;
  readonly candidate: string | null;
}

/** The parts of a stored experiment that prompts are made of. */
interface StoredExperiment {
  readonly predictors: { readonly [name: string]: SignatureFields };
  readonly initial: Candidate;
  readonly teachers: readonly { readonly candidate: Candidate }[];
}

/**
 * Finds the first candidate whose prompt and weights a call has. A prompt that only begins as one of ours (an example that was left out of
 * its own demos, a teacher's hint) names the predictor; any other names nothing.
 */
export function callOrigin(request: LmRequest, run: StoredRun, events: readonly RunEvent[]): CallOrigin {
  // `as`: the run layer stored this; see describeExperiment.
  const { predictors, initial, teachers } = run.experiment as unknown as StoredExperiment;
  const proposed = events.flatMap((event) => (event.type === 'candidate-proposed' ? [event.candidate] : []));
  let named: string | null = null;
  for (const candidate of [initial, ...proposed, ...teachers.map((teacher) => teacher.candidate)]) {
    for (const [predictor, signature] of Object.entries(predictors)) {
      const state = candidate.predictors[predictor];
      if (!state) continue;
      const { system, turns } = renderPrompt(signature, state, {});
      if (request.prompt.system !== system) continue;
      named ??= predictor;
      if (isTurnsOf(request.prompt.turns, turns, state) && isAskedBy(request, signature, state))
        return { predictor, candidate: candidateId(candidate) };
    }
  }
  return { predictor: named, candidate: null };
}

/** All demos in order, or, where they are chosen by likeness, so many of them. */
const isTurnsOf = (shown: Turns, turns: Turns, { nearest }: PredictorState): boolean =>
  nearest === undefined
    ? isEqual(shown, turns)
    : shown.length <= nearest && shown.every((turn) => turns.some((one) => isEqual(one, turn)));

const isAskedBy = (request: LmRequest, signature: SignatureFields, state: PredictorState): boolean =>
  isEqual(request.model, state.model) && isEqual(request.answer, answerPlan(signature, state));

// `as`: parts of a request are plain data.
const isEqual = (a: unknown, b: unknown): boolean => canonicalJson(a as Json) === canonicalJson(b as Json);
