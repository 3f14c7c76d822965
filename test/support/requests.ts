import type {
  AdapterFile,
  AnswerPlan,
  LanguageModel,
  LmRequest,
  LmResponse,
  RequestChoice,
  Sampling,
} from '../../src/core/lm.ts';
import { firstAttempt } from '../../src/core/program.ts';

export interface Ask {
  readonly user: string;
  readonly system?: string;
  readonly turns?: LmRequest['prompt']['turns'];
  readonly answer?: AnswerPlan;
  readonly choice?: RequestChoice;
  readonly sampling?: Partial<Sampling>;
  readonly adapter?: AdapterFile | null;
  readonly signal?: AbortSignal;
}

/** A request with everything that a test does not care about filled in: greedy, free, at most 32 tokens, the base weights. */
export function ask(
  lm: LanguageModel,
  { user, system = '', turns = [], answer = null, ...rest }: Ask,
): Promise<LmResponse> {
  const { sampling, choice = 'greedy', adapter = null, signal } = rest;
  return lm.generate(
    {
      model: { base: lm.base.sha256, adapter: adapter?.sha256 ?? null },
      prompt: { system, turns, user },
      answer,
      choice,
      sampling: { ...firstAttempt, maxTokens: 32, ...sampling },
    },
    { adapter, ...(signal && { signal }) },
  );
}

/** The answer `{"label": "..."}` with one of these labels. */
export const labelPlan = (labels: readonly string[]): AnswerPlan => [
  { type: 'text', text: '{"label": "' },
  { type: 'choice', options: labels },
  { type: 'text', text: '"}' },
];
