import { type ChatHistoryItem, JinjaTemplateChatWrapper, type LlamaModel, LlamaText, type Token } from 'node-llama-cpp';
import { InputError } from '../../core/errors.ts';
import type { Prompt, TextRow, TokenRow } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import type { Vocabulary } from './compiled-plan.ts';
import { extendPrefix, type Prefix } from './prefix.ts';
import { rememberLast } from './remember.ts';
import { textsOf, tokenTexts } from './token-texts.ts';

/** `prefix`: what all calls of the candidate share. */
export interface RenderedPrompt {
  readonly ids: readonly number[];
  readonly prefix: Prefix;
}

export interface Renderer {
  readonly vocabulary: Vocabulary;
  readonly notices: readonly Notice[];
  prompt(prompt: Prompt): RenderedPrompt;
  row(row: TextRow): TokenRow;
  /** The text of each token of a row. */
  texts(row: TokenRow): string[];
}

// `as`: node-llama-cpp brands token ids; ours come from its tokenizer or were checked against the vocabulary's size.
export const asTokens = (ids: readonly number[]): Token[] => ids as unknown as Token[];

/** The one way from messages to token ids, for serving and for training rows: the model's own chat template. */
export function createRenderer(model: LlamaModel): Renderer {
  const chat = chatTemplateOf(model);
  const vocabulary = { ...vocabularyOf(model), endOfTurn: endOfTurnOf(model, chat) };
  const piecesOf = (shared: Shared) => renderPieces(model, chat, vocabulary, shared);
  const systemOf = rememberLast(64, (system: string) => systemPrefix(piecesOf, system));
  const frameOf = rememberLast(256, (shared: Shared): Frame => {
    const pieces = piecesOf(shared);
    return { pieces, prefix: prefixOf(pieces, systemOf(shared.system)) };
  });
  const prompt = ({ system, turns, user }: Prompt): RenderedPrompt => {
    const { prefix, pieces } = frameOf({ system, turns });
    return { ids: pieces.flatMap((piece) => (piece === 'user' ? vocabulary.tokenize(user) : piece)), prefix };
  };
  return {
    vocabulary,
    notices: chat.notices,
    prompt,
    row: ({ prompt: shown, pieces, given = 0 }) => ({
      promptIds: [...prompt(shown).ids, ...(pieces ?? []).slice(0, given).flatMap(vocabulary.tokenize)],
      completionIds: pieces ? [...pieces.slice(given).flatMap(vocabulary.tokenize), vocabulary.endOfTurn] : [],
    }),
    texts: ({ promptIds, completionIds }) =>
      textsOf([promptIds, completionIds], (ids, before) => model.detokenize(asTokens(ids), true, asTokens(before))),
  };
}

function vocabularyOf(model: LlamaModel): Omit<Vocabulary, 'endOfTurn'> {
  // Behind another token, so that a leading space is part of the text.
  const [before] = model.tokenize('a', false);
  const text = (id: number) => model.detokenize(asTokens([id]), false, before === undefined ? [] : [before]);
  return {
    // `trimLeadingSpace`: sentencepiece vocabularies would put a blank before every piece.
    tokenize: (text) => (text === '' ? [] : model.tokenize(text, false, 'trimLeadingSpace')),
    textOf: (ids, before) => model.detokenize(asTokens(ids), false, asTokens(before)),
    beginnings: tokenTexts(wordsOf(model), text),
    endsTurn: (id) => model.isEogToken(asTokens([id])[0]),
  };
}

/** All tokens that stand for text. */
function* wordsOf(model: LlamaModel): Generator<number> {
  for (const token of model.iterateAllTokens()) if (!model.getTokenAttributes(token).control) yield token;
}

interface Chat {
  readonly wrapper: JinjaTemplateChatWrapper;
  readonly hasSystemRole: boolean;
  readonly notices: readonly Notice[];
}

function chatTemplateOf(model: LlamaModel): Chat {
  const template = model.fileInfo.metadata.tokenizer?.chat_template;
  if (template === undefined)
    throw new TypeError(`"${model.filename}" has no chat template, though its header said so`);
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

/** What all prompts of a candidate have in common: everything but the user's text. */
interface Frame {
  readonly prefix: Prefix;
  readonly pieces: Pieces;
}

/** Tokens between borders, and the place of the user's text. */
type Pieces = readonly (readonly number[] | 'user')[];

/**
 * The template is rendered around a placeholder, never with the user's text. What stands between borders is tokenized by itself, and only
 * what the template itself wrote may become control tokens: text of a user stays text.
 */
function renderPieces(
  model: LlamaModel,
  chat: Chat,
  { tokenize }: Pick<Vocabulary, 'tokenize'>,
  shared: Shared,
): Pieces {
  const placeholder = textNotIn(JSON.stringify(shared));
  const { values } = renderedText(chat, { ...shared, user: placeholder });
  const pieces = values.flatMap((value, index): Pieces => {
    if (typeof value !== 'string' || !value.includes(placeholder))
      return [LlamaText(value).tokenize(model.tokenizer, index === 0 ? undefined : 'trimLeadingSpace')];
    // Around it stands what was merged into the first message for want of a system role: it belongs to the frame.
    return value.split(placeholder).flatMap((text, part) => (part === 0 ? [tokenize(text)] : ['user', tokenize(text)]));
  });
  return withBos(model, pieces);
}

/** Some characters of the private use area that the text does not have. */
function textNotIn(text: string): string {
  let placeholder = '\uE000';
  while (text.includes(placeholder)) placeholder += '\uE001';
  return placeholder;
}

function withBos(model: LlamaModel, pieces: Pieces): Pieces {
  const { bos, shouldPrependBosToken } = model.tokens;
  const [first] = pieces;
  const isThere = first !== undefined && first !== 'user' && first[0] === bos;
  return shouldPrependBosToken && bos !== null && !isThere ? [[bos], ...pieces] : pieces;
}

/**
 * The tokens in front of the user's text: a rule that depends on system and turns alone. It ends at a border of pieces that are tokenized
 * apart, so that these are the first tokens of every prompt of the frame.
 */
const prefixOf = (pieces: Pieces, system: Prefix): Prefix =>
  extendPrefix(system, joined(pieces.slice(0, pieces.indexOf('user'))));

/** The tokens that prompts with this system text share whatever turns follow: candidates that differ in their demos have them in common. */
function systemPrefix(piecesOf: (shared: Shared) => Pieces, system: string): Prefix {
  const without = piecesOf({ system, turns: [] });
  const withTurn = piecesOf({ system, turns: [{ user: 'A question?', assistant: 'An answer.' }] });
  const end = without.findIndex((piece, index) => piece === 'user' || String(piece) !== String(withTurn[index]));
  return extendPrefix(null, joined(without.slice(0, end)));
}

const joined = (pieces: Pieces): readonly number[] => pieces.flatMap((piece) => (piece === 'user' ? [] : piece));

/** What the template writes behind an assistant turn; without such a token the model's own end. */
function endOfTurnOf(model: LlamaModel, chat: Chat): number {
  const answer = 'An answer.';
  const { values } = renderedText(chat, {
    system: '',
    turns: [{ user: 'A question?', assistant: answer }],
    user: 'Another?',
  });
  const [, ...after] = values.slice(values.findIndex((value) => typeof value === 'string' && value.includes(answer)));
  const nextText = after.findIndex((value) => typeof value === 'string');
  const written = LlamaText(after.slice(0, Math.max(0, nextText))).tokenize(model.tokenizer, 'trimLeadingSpace');
  const end = written.find((id) => model.isEogToken(id)) ?? model.tokens.eot ?? model.tokens.eos;
  if (end === null)
    throw new InputError(
      'no-end-of-turn',
      [`The model "${model.filename}" has no token that ends a turn.`],
      'Use another GGUF of this model.',
    );
  return end;
}
