import { type ChatHistoryItem, JinjaTemplateChatWrapper, type LlamaModel, LlamaText, type Token } from 'node-llama-cpp';
import { InputError } from '../../core/errors.ts';
import type { Prompt, TextRow, TokenRow } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import type { Vocabulary } from './answer.ts';
import { rememberLast } from './remember.ts';

/** The leading tokens that all calls of a candidate share; equal keys, equal tokens. */
export interface Prefix {
  readonly key: string;
  readonly ids: readonly number[];
}

export interface RenderedPrompt {
  readonly ids: readonly number[];
  readonly prefix: Prefix;
}

export interface Renderer {
  readonly vocabulary: Vocabulary;
  readonly notices: readonly Notice[];
  prompt(prompt: Prompt): RenderedPrompt;
  row(row: TextRow): TokenRow;
}

// `as`: node-llama-cpp brands token ids; ours come from its tokenizer or were checked against the vocabulary's size.
export const asTokens = (ids: readonly number[]): Token[] => ids as unknown as Token[];

/** The one way from messages to token ids, for serving and for training rows: the model's own chat template. */
export function createRenderer(model: LlamaModel): Renderer {
  const chat = chatTemplateOf(model);
  const vocabulary = { ...vocabularyOf(model), endOfTurn: endOfTurnOf(model, chat) };
  const frameOf = rememberLast(256, (shared: Shared) => renderFrame(model, chat, shared));
  const prompt = ({ system, turns, user }: Prompt): RenderedPrompt => {
    const { prefix, pieces } = frameOf({ system, turns });
    const ids = pieces.flatMap((piece) => ('ids' in piece ? piece.ids : vocabulary.tokenize(piece.around.join(user))));
    return { ids, prefix };
  };
  return {
    vocabulary,
    notices: chat.notices,
    prompt,
    row: ({ prompt: shown, pieces }) => ({
      promptIds: prompt(shown).ids,
      completionIds: pieces ? [...pieces.flatMap(vocabulary.tokenize), vocabulary.endOfTurn] : [],
    }),
  };
}

export const noPrefix: Prefix = { key: '', ids: [] };

function vocabularyOf(model: LlamaModel): Omit<Vocabulary, 'endOfTurn'> {
  return {
    // `trimLeadingSpace`: sentencepiece vocabularies would put a blank before every piece.
    tokenize: (text) => (text === '' ? [] : model.tokenize(text, false, 'trimLeadingSpace')),
    textOf: (ids, before) => model.detokenize(asTokens(ids), false, asTokens(before)),
    endsTurn: (id) => model.isEogToken(asTokens([id])[0]),
  };
}

interface Chat {
  readonly wrapper: JinjaTemplateChatWrapper;
  readonly hasSystemRole: boolean;
  readonly notices: readonly Notice[];
}

function chatTemplateOf(model: LlamaModel): Chat {
  const template = model.fileInfo.metadata.tokenizer?.chat_template;
  if (typeof template !== 'string')
    throw new InputError(
      'no-chat-template',
      [`The model file "${model.filename}" has no chat template, so there is no telling how to talk to it.`],
      'Take the instruction-tuned ("Instruct", "it", "Chat") file of this model: base models have no template.',
    );
  const wrapper = openTemplate(model, template);
  const hasSystemRole = wrapper.settings.supportsSystemMessages;
  return { wrapper, hasSystemRole, notices: hasSystemRole ? [] : [mergedSystem] };
}

const mergedSystem: Notice = {
  code: 'system-role-merged',
  message:
    'The chat template of this model has no system role: instructions are put in front of the first user message.',
};

function openTemplate(model: LlamaModel, template: string): JinjaTemplateChatWrapper {
  try {
    // `noJinja`: function calls are never rendered, and looking for their syntax costs time. `reasoning`: answers are forced from their
    // first token on, so a template that can leave its thinking out does.
    return new JinjaTemplateChatWrapper({
      template,
      tokenizer: model.tokenizer,
      functionCallMessageTemplate: 'noJinja',
      reasoning: false,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(
      'chat-template-broken',
      [`The chat template of "${model.filename}" cannot be rendered: ${reason}`],
      'Use a GGUF of this model with a repaired template (newer uploads often have one).',
      { cause },
    );
  }
}

function historyOf({ system, turns, user }: Prompt, hasSystemRole: boolean): ChatHistoryItem[] {
  const merge = system !== '' && !hasSystemRole;
  const users = [...turns.map((turn) => turn.user), user].map((text, index) =>
    merge && index === 0 ? `${system}\n\n${text}` : text,
  );
  const history: ChatHistoryItem[] = system !== '' && !merge ? [{ type: 'system', text: system }] : [];
  for (const [index, text] of users.entries())
    history.push({ type: 'user', text }, { type: 'model', response: [turns[index]?.assistant ?? ''] });
  return history;
}

const renderedText = (chat: Chat, prompt: Prompt): LlamaText =>
  chat.wrapper.generateContextState({ chatHistory: historyOf(prompt, chat.hasSystemRole) }).contextText;

type Shared = Pick<Prompt, 'system' | 'turns'>;

/** What all prompts of a candidate have in common: everything but the places where the user's text stands, `around` which it is put. */
interface Frame {
  readonly prefix: Prefix;
  readonly pieces: readonly ({ readonly ids: readonly number[] } | { readonly around: readonly string[] })[];
}

/**
 * The template is rendered around a placeholder, never with the user's text. Each value of the result is tokenized by itself, and only
 * what the template itself wrote may become control tokens: text of a user stays text.
 */
function renderFrame(model: LlamaModel, chat: Chat, shared: Shared): Frame {
  const placeholder = textNotIn(JSON.stringify(shared));
  const { values } = renderedText(chat, { ...shared, user: placeholder });
  const pieces = values.map((value, index) => {
    if (typeof value === 'string' && value.includes(placeholder)) return { around: value.split(placeholder) };
    const ids = LlamaText(value).tokenize(model.tokenizer, index === 0 ? undefined : 'trimLeadingSpace');
    return { ids: index === 0 ? withBos(model, ids) : ids };
  });
  return { prefix: prefixOf(model, pieces), pieces };
}

/** Some characters of the private use area that the text does not have. */
function textNotIn(text: string): string {
  let placeholder = '\uE000';
  while (text.includes(placeholder)) placeholder += '\uE001';
  return placeholder;
}

function withBos(model: LlamaModel, ids: readonly number[]): readonly number[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  return shouldPrependBosToken && bos !== null && ids[0] !== bos ? [bos, ...ids] : ids;
}

/** The tokens in front of the user's text, back to just behind the last control token: a rule that depends on system and turns alone. */
function prefixOf(model: LlamaModel, pieces: Frame['pieces']): Prefix {
  const ids: number[] = [];
  for (const piece of pieces) {
    if ('around' in piece) break;
    ids.push(...piece.ids);
  }
  const shared = ids.slice(0, ids.findLastIndex((id) => isControl(model, id)) + 1);
  return { key: shared.join(' '), ids: shared };
}

const isControl = (model: LlamaModel, id: number): boolean => model.getTokenAttributes(asTokens([id])[0]!).control;

/** What the template writes behind an assistant turn; without such a token the model's own end. */
function endOfTurnOf(model: LlamaModel, chat: Chat): number {
  const answer = 'An answer.';
  const { values } = renderedText(chat, {
    system: '',
    turns: [{ user: 'A question?', assistant: answer }],
    user: 'Another?',
  });
  const after = values.slice(values.findIndex((value) => typeof value === 'string' && value.includes(answer)) + 1);
  const written = after.flatMap((value) => (typeof value === 'string' ? [] : value.tokenize(model.tokenizer)));
  const end = written.find((id) => model.isEogToken(id)) ?? model.tokens.eot ?? model.tokens.eos;
  if (end === null)
    throw new InputError(
      'no-end-of-turn',
      [`The model "${model.filename}" has no token that ends a turn.`],
      'Use another GGUF of this model.',
    );
  return end;
}
