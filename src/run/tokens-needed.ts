import { predictorState } from '../core/candidate.ts';
import { renderPrompt } from '../core/chat-format.ts';
import { firstAttempt } from '../core/program.ts';
import { estimateTokens, usualDemoTokens } from '../core/token-estimate.ts';
import type { Experiment } from './experiment.ts';

/**
 * Tokens that the longest call of the run may take, prompt and answer together: for every predictor its prompt as it starts, with the
 * longest example, with demos, and with an answer as long as one may be. An estimate; what other predictors answer is not known before.
 */
export function tokensNeeded({ structure, initial, splits }: Experiment): number {
  const examples = [...splits.train, ...splits.val, ...splits.test];
  const longest = Object.entries(structure.predictors).map(([name, signature]) => {
    const state = predictorState(initial, name);
    return examples.reduce((most, { inputs }) => {
      const prompt = renderPrompt(signature, state, inputs);
      return Math.max(most, estimateTokens({ prompt, pieces: null }));
    }, 0);
  });
  return Math.max(0, ...longest) + usualDemoTokens + firstAttempt.maxTokens;
}
