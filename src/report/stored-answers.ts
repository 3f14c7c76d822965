import { callKeys } from '../core/call-key.ts';
import type { Candidate, PredictorState } from '../core/candidate.ts';
import { answerPlan, renderPrompt } from '../core/chat-format.ts';
import { requestChoice } from '../core/choice.ts';
import type { Example } from '../core/example.ts';
import type { Engine, LmResponse } from '../core/lm.ts';
import { firstAttempt } from '../core/program.ts';
import type { SignatureFields } from '../core/signature.ts';
import type { Store, StoredRun } from '../core/store.ts';
import { experimentOf } from './stored-experiment.ts';

/** What a candidate answered to an example, as it was remembered; null where that cannot be told. */
export type StoredAnswers = (candidate: Candidate, example: Example) => LmResponse | null;

/**
 * Asks the memory what the run asked the model. A program of one predictor asks it with the inputs of the example; what programs of several
 * ask depends on their code, and demos that are chosen by likeness depend on the question: neither can be told from the store alone.
 */
export function storedAnswers(store: Pick<Store, 'layout' | 'recallCall'>, run: StoredRun): StoredAnswers {
  const [only, ...others] = Object.entries(experimentOf(run).predictors);
  if (!only || others.length > 0) return () => null;
  const [name, signature] = only;
  const keyOf = callKeys();
  return (candidate, { inputs }) => {
    const state = candidate.predictors[name];
    if (!state || state.nearest !== undefined) return null;
    // `as`: a run stores engines there; see openEngine in run/world.ts.
    const engine = store.layout(run.id, state.model.base) as unknown as Engine | undefined;
    if (!engine) return null;
    const request = { ...requestFrame(signature, state), prompt: renderPrompt(signature, state, inputs) };
    return store.recallCall(keyOf(request, engine).key) ?? null;
  };
}

const requestFrame = (signature: SignatureFields, state: PredictorState) => ({
  model: state.model,
  answer: answerPlan(signature, state),
  choice: requestChoice(signature, state),
  sampling: firstAttempt,
});
