import type { AnswerPlan, Engine, LanguageModel, LmRequest, Prompt } from '../core/lm.ts';

/** Tokens that a chat template writes beside the texts: once, and around each earlier turn. */
interface TemplateTokens {
  readonly frame: number;
  readonly turn: number;
}

// Of a template that is out of reach: more than the usual ones write; a server that reports more is found out, see token-meter.ts.
const unknownTemplate: TemplateTokens = { frame: 128, turn: 32 };

/** Tokens that a request cannot exceed, of prompt and answer together: a function of the request and the engine alone. */
export function tokenBounds(): (request: LmRequest, model: LanguageModel, engine: Engine) => Promise<number> {
  const templates = new Map<string, Promise<TemplateTokens>>();
  const templateOf = (model: LanguageModel): Promise<TemplateTokens> => {
    const known = templates.get(model.base.sha256) ?? measuredTemplate(model);
    templates.set(model.base.sha256, known);
    return known;
  };
  return async (request, model, engine) => {
    const { frame, turn } = await templateOf(model);
    const { prompt, answer, sampling } = request;
    const promptTokens = frame + turn * prompt.turns.length + promptBytes(prompt);
    // A server may write its JSON with other spaces, and its context may be larger than what is known of it.
    if (model.weights === null) return promptTokens + sampling.maxTokens;
    const whole = promptTokens + Math.min(sampling.maxTokens, longestAnswer(answer));
    // Only what is computed has to fit the context: not a prompt that is too long, nor what is forced after the last decision.
    return Math.min(whole, Math.max(engine.contextTokens, promptTokens) + decidedBytes(answer));
  };
}

async function measuredTemplate({ weights }: LanguageModel): Promise<TemplateTokens> {
  if (weights === null) return unknownTemplate;
  const [bare, told, shown] = await weights.encode(
    [
      { system: '', turns: [], user: 'a' },
      { system: 'a', turns: [], user: 'a' },
      { system: 'a', turns: [{ user: 'a', assistant: 'a' }], user: 'a' },
    ].map((prompt) => ({ prompt, pieces: null })),
  );
  const [bareTokens, toldTokens, shownTokens] = [bare, told, shown].map((row) => row!.promptIds.length);
  return { frame: Math.max(bareTokens!, toldTokens!), turn: Math.max(0, shownTokens! - toldTokens!) };
}

// A token stands for a byte at least.
const bytes = (text: string): number => new TextEncoder().encode(text).length;

const promptBytes = ({ system, turns, user }: Prompt): number =>
  turns.reduce((sum, turn) => sum + bytes(turn.user) + bytes(turn.assistant), bytes(system) + bytes(user));

/** Of a plan without sampled values; infinite with one. */
const longestAnswer = (plan: AnswerPlan): number =>
  plan === null || plan.some(({ type }) => type === 'value') ? Number.POSITIVE_INFINITY : decidedBytes(plan);

/** Forced text, the longest option of every choice, and the end of the turn. */
const decidedBytes = (plan: AnswerPlan): number =>
  (plan ?? []).reduce((sum, part) => {
    if (part.type === 'value') return sum;
    return sum + (part.type === 'text' ? bytes(part.text) : Math.max(...part.options.map(bytes)));
  }, 1);
