import { contentId, textId } from '../../src/core/json.ts';
import type { Engine, LanguageModel, LmRequest, LmResponse, TextRow, Weights } from '../../src/core/lm.ts';
import { answered as answeredWith } from './responses.ts';

/** Answers a request with the value for each choice or value of its plan, in order. */
export type Script = (request: LmRequest) => readonly string[] | LmResponse;

export interface ScriptedModel extends LanguageModel, Weights {
  readonly weights: Weights;
  readonly requests: readonly LmRequest[];
  /** Every text whose embedding was asked for. */
  readonly embedded: readonly string[];
  readonly released: number;
}

const usage = { prompt: 10, cachedPrompt: 0, completion: 3 };

/** What computes the answers of a script. */
export const scriptedEngine: Engine = {
  name: 'scripted',
  version: '1',
  method: 1,
  build: 'test',
  backend: 'none',
  device: 'cpu',
  threads: 1,
  sequences: 1,
  batchTokens: 512,
  contextTokens: 4096,
  reproducible: 'bytes',
};

/** A model host that is a plain function: for tests whose point is an algorithm. Tokens are characters. */
export function scriptedModel(script: Script, name = 'scripted'): ScriptedModel {
  const requests: LmRequest[] = [];
  const embedded: string[] = [];
  let released = 0;
  const own: Weights = {
    ...weights,
    async embed(texts) {
      embedded.push(...texts);
      return weights.embed(texts);
    },
    openMerged: async (file) => ({ ...model, base: { ...model.base, ...file } }),
  };
  const model: ScriptedModel = {
    base: {
      sha256: contentId(name),
      path: `/models/${name}.gguf`,
      name,
      architecture: 'scripted',
      parameters: 135e6,
      layers: 30,
      vocabularySize: 256,
      trainedContextTokens: 4096,
      fileType: 'F16',
    },
    notices: [],
    requests,
    embedded,
    get released() {
      return released;
    },
    engine: async () => scriptedEngine,
    async generate(request) {
      requests.push(request);
      const scripted = script(request);
      if (!Array.isArray(scripted)) return scripted as LmResponse;
      return answered(request, scripted);
    },
    ...own,
    weights: own,
    release: async () => {
      released++;
    },
  };
  return model;
}

/** Texts are alike that have words in common. */
function bagOfWords(text: string): Float32Array {
  const counts = new Float32Array(64);
  for (const word of text.toLowerCase().match(/\w+/g) ?? [])
    counts[Number.parseInt(textId(word).slice(0, 8), 16) % 64]! += 1;
  const length = Math.hypot(...counts);
  return counts.map((count) => count / length);
}

const weights: Omit<Weights, 'openMerged'> = {
  embed: async (texts) => texts.map(bagOfWords),
  encode: async (rows) => rows.map(asCharacters),
  tokenTexts: async (rows) =>
    rows.map(({ promptIds, completionIds }) => [...promptIds, ...completionIds].map((id) => String.fromCharCode(id))),
  logProbabilities: async (probes) => probes.flatMap(({ positions }) => positions.map(uniformDistribution)),
};

/** What these models think of the next token, in which each character of Latin-1 is one. */
export const uniformDistribution = (): Float32Array => new Float32Array(256).fill(-Math.log(256));

/** Fills the open parts of the plan with the scripted values; freely decoded answers are the first value. */
function answered({ answer }: LmRequest, values: readonly string[]): LmResponse {
  let next = 0;
  const pieces =
    answer === null
      ? [values[0] ?? '']
      : answer.map((part) => (part.type === 'text' ? part.text : (values[next++] ?? '')));
  return answeredWith(pieces, { completionIds: [...pieces.join('')].map((char) => char.charCodeAt(0)), usage });
}

function asCharacters({ prompt, pieces, given = 0 }: TextRow) {
  const text = [prompt.system, ...prompt.turns.flatMap(({ user, assistant }) => [user, assistant]), prompt.user].join(
    '\n',
  );
  const codes = (from: string) => [...from].map((char) => char.charCodeAt(0) % 256);
  const [forced, learned] = [pieces?.slice(0, given) ?? [], pieces?.slice(given) ?? []];
  return { promptIds: codes(text + forced.join('')), completionIds: codes(learned.join('')) };
}
