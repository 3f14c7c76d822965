import {
  type ChatHistoryItem,
  JinjaTemplateChatWrapper,
  type LlamaModel,
  type LlamaText,
  type Token,
} from 'node-llama-cpp';
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
  const vocabulary = vocabularyOf(model);
  const chat = chatTemplateOf(model);
  const boundary = rememberLast(256, (shared: Pick<Prompt, 'system' | 'turns'>) => sharedPrefix(model, chat, shared));
  const prompt = (item: Prompt): RenderedPrompt => {
    const ids = idsOf(model, chat, item);
    const prefix = boundary({ system: item.system, turns: item.turns });
    return { ids, prefix: startsWith(ids, prefix.ids) ? prefix : noPrefix };
  };
  const withEnd = { ...vocabulary, endOfTurn: endOfTurnOf(model, chat) };
  return {
    vocabulary: withEnd,
    notices: chat.notices,
    prompt,
    row: ({ prompt: shown, pieces }) => ({
      promptIds: prompt(shown).ids,
      completionIds: pieces ? [...pieces.flatMap(withEnd.tokenize), withEnd.endOfTurn] : [],
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

/** User text stays plain text: only what the template itself writes is tokenized with control tokens. */
function idsOf(model: LlamaModel, chat: Chat, prompt: Prompt): readonly number[] {
  const ids = renderedText(chat, prompt).tokenize(model.tokenizer);
  const { bos, shouldPrependBosToken } = model.tokens;
  return shouldPrependBosToken && bos !== null && ids[0] !== bos ? [bos, ...ids] : ids;
}

/**
 * A rule that depends on system and turns alone: what two prompts with unlike user texts have in common, back to just behind its last
 * control token, where no tokenizer merges across.
 */
function sharedPrefix(model: LlamaModel, chat: Chat, shared: Pick<Prompt, 'system' | 'turns'>): Prefix {
  const [one, other] = ['0', 'x'].map((user) => idsOf(model, chat, { ...shared, user }));
  let length = commonLength(one!, other!);
  while (length > 0 && !isControl(model, one![length - 1]!)) length--;
  const ids = one!.slice(0, length);
  return { key: ids.join(' '), ids };
}

const isControl = (model: LlamaModel, id: number): boolean => model.getTokenAttributes(asTokens([id])[0]!).control;

function commonLength(a: readonly number[], b: readonly number[]): number {
  const different = a.findIndex((id, index) => id !== b[index]);
  return different === -1 ? a.length : different;
}

const startsWith = (ids: readonly number[], prefix: readonly number[]): boolean =>
  prefix.length < ids.length && prefix.every((id, index) => id === ids[index]);

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
