import { InputError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { Client } from './client.ts';
import type { Constraint } from './constraint.ts';

/** What a server says of itself and of one of its models. */
export interface ServerReport {
  /** The server's word for the model. */
  readonly model: string;
  /** Which weights and template answer, as far as the server says: part of the model's id. */
  readonly identity: { readonly [fact: string]: Json };
  readonly kind: 'llama.cpp' | 'vLLM' | 'SGLang' | 'Ollama' | 'unknown';
  /** The server's version, empty where it does not say. */
  readonly build: string;
  /** Tokens of prompt and answer together; null where it does not say. */
  readonly contextTokens: number | null;
  /** Answers computed at once; 0 where it does not say. */
  readonly slots: number;
  readonly facts: {
    readonly parameters: number;
    readonly vocabularySize: number;
    readonly trainedContextTokens: number;
    readonly fileType: string;
  };
  /** What to try to hold answers to their plan, best first. */
  readonly constraints: readonly Constraint[];
}

type Fields = { readonly [name: string]: Json | undefined };

/**
 * Asks a server what it runs. Only what is the same at every asking is taken: the time of listing a model and the ids of permissions, which
 * servers make up anew, are not.
 */
export async function askServer(client: Client, url: string, wanted: string | null): Promise<ServerReport> {
  const entry = modelEntry(await client.get(`${url}/models`), url, wanted);
  const model = text(entry.id) ?? wanted ?? '';
  // Servers have what is their own beside /v1.
  const root = url.replace(/\/v1$/, '');
  const owner = text(entry.owned_by);
  if (owner === 'llamacpp') return llamaServer(entry, fieldsOf(await client.get(`${root}/props`)), model);
  if (owner === 'vllm') return vllm(entry, fieldsOf(await client.get(`${root}/version`)), model);
  if (owner === 'sglang') return sglang(entry, fieldsOf(await client.get(`${root}/get_server_info`)), model);
  const tags = owner === 'library' ? fieldsOf(await client.get(`${root}/api/tags`)) : {};
  if (Array.isArray(tags.models)) return ollama(tags.models, fieldsOf(await client.get(`${root}/api/version`)), model);
  return { ...unknown(model), identity: given({ owner, root: entry.root }) };
}

const unknown = (model: string): ServerReport => ({
  model,
  identity: {},
  kind: 'unknown',
  build: '',
  contextTokens: null,
  slots: 0,
  facts: { parameters: 0, vocabularySize: 0, trainedContextTokens: 0, fileType: 'unknown' },
  constraints: ['response_format'],
});

function llamaServer(entry: Fields, props: Fields, model: string): ServerReport {
  const meta = fieldsOf(entry.meta);
  const { n_ctx: context } = fieldsOf(props.default_generation_settings);
  const { n_params: parameters, n_vocab: vocabulary, size } = meta;
  return {
    ...unknown(model),
    identity: given({ file: props.model_path, template: props.chat_template, parameters, vocabulary, size }),
    kind: 'llama.cpp',
    build: text(props.build_info) ?? '',
    contextTokens: number(context) ?? number(meta.n_ctx) ?? null,
    slots: number(props.total_slots) ?? 0,
    facts: {
      parameters: number(parameters) ?? 0,
      vocabularySize: number(vocabulary) ?? 0,
      trainedContextTokens: number(meta.n_ctx_train) ?? 0,
      fileType: text(props.model_ftype) ?? text(meta.ftype) ?? 'unknown',
    },
    constraints: ['grammar', 'response_format'],
  };
}

function vllm(entry: Fields, { version }: Fields, model: string): ServerReport {
  const build = text(version) ?? '';
  const isOld = /^0\.(\d|10)(\D|$)/.test(build);
  return {
    ...unknown(model),
    identity: given({ root: entry.root }),
    kind: 'vLLM',
    build,
    contextTokens: number(entry.max_model_len) ?? null,
    constraints: [isOld ? 'guided_grammar' : 'structured_outputs', 'response_format'],
  };
}

function sglang(entry: Fields, info: Fields, model: string): ServerReport {
  return {
    ...unknown(model),
    identity: given({ root: entry.root, path: info.model_path, revision: info.revision }),
    kind: 'SGLang',
    build: text(info.version) ?? '',
    contextTokens: number(entry.max_model_len) ?? null,
    constraints: ['ebnf', 'response_format'],
  };
}

function ollama(tags: readonly Json[], { version }: Fields, model: string): ServerReport {
  const tag = tags.map(fieldsOf).find(({ name }) => name === model || name === `${model}:latest`);
  return { ...unknown(model), identity: given({ digest: tag?.digest }), kind: 'Ollama', build: text(version) ?? '' };
}

/** The wanted model in a list of models. A server without a list is believed. */
function modelEntry(listed: Json | null, url: string, wanted: string | null): Fields {
  const { data } = fieldsOf(listed);
  const entries = Array.isArray(data) ? data.map(fieldsOf) : [];
  const names = entries.flatMap(({ id }) => text(id) ?? []);
  const [only, ...others] = entries;
  if (wanted === null && only && others.length === 0) return only;
  const listing = names.length === 0 ? 'It lists no models' : `It has: ${names.slice(0, 20).join(', ')}`;
  if (wanted === null)
    throw new InputError(
      'endpoint-model-missing',
      [`The endpoint ${url} is named without a model.`],
      `${listing}. Name one: ${url}#model-name.`,
    );
  const found = entries.find(
    ({ id, aliases }) => id === wanted || (Array.isArray(aliases) && aliases.includes(wanted)),
  );
  // llama-server answers to any name.
  const byAnyName = only?.owned_by === 'llamacpp' && others.length === 0 ? only : undefined;
  if (!found && !byAnyName && names.length > 0)
    throw new InputError('endpoint-model-unknown', [`The endpoint ${url} has no model "${wanted}".`], `${listing}.`);
  return found ?? byAnyName ?? { id: wanted };
}

const fieldsOf = (value: Json | undefined | null): Fields =>
  // `as`: an object, as is just being checked.
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const number = (value: Json | undefined): number | undefined => (typeof value === 'number' ? value : undefined);

const given = (facts: Fields): { readonly [fact: string]: Json } =>
  Object.fromEntries(Object.entries(facts).filter((entry): entry is [string, Json] => entry[1] != null));
