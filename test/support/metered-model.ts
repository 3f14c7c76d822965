import { textId } from '../../src/core/json.ts';
import type { LmRequest, LmResponse, TokenUsage } from '../../src/core/lm.ts';
import type { ScriptedModel } from './scripted-model.ts';

/** A model whose answers take tokens as those of a host do, and what they took since it was made. */
export interface MeteredModel extends ScriptedModel {
  tokens(): number;
}

interface Metering {
  /** Default: a third of the prompt's bytes, and one to eight for the answer. */
  usageOf?(request: LmRequest): TokenUsage;
  /** Turns of the event loop that an answer takes: other numbers, another order of arrival. Default: none. */
  delayOf?(request: LmRequest): number;
}

export function meteredModel(
  model: ScriptedModel,
  { usageOf = usualUsage, delayOf = () => 0 }: Metering = {},
): MeteredModel {
  let tokens = 0;
  return {
    ...model,
    tokens: () => tokens,
    async generate(request, options): Promise<LmResponse> {
      const usage = usageOf(request);
      tokens += usage.prompt + usage.completion;
      for (let turn = delayOf(request); turn > 0; turn--) await new Promise(setImmediate);
      return { ...(await model.generate(request, options)), usage };
    },
  };
}

/** The same number for the same question, from 0 up to and without `end`. */
export const drawFor = (request: LmRequest, name: string, end: number): number =>
  Number.parseInt(textId(`${name} ${JSON.stringify(request.prompt)}`).slice(0, 8), 16) % end;

const usualUsage = (request: LmRequest): TokenUsage => ({
  prompt: Math.ceil(JSON.stringify(request.prompt).length / 3),
  cachedPrompt: 0,
  completion: 1 + drawFor(request, 'completion', 8),
});
