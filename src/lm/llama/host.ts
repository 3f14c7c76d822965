import { setImmediate as nextTurn } from 'node:timers/promises';
import { type LlamaModel, TokenBias } from 'node-llama-cpp';
import type { AdapterFile, Engine, LmRequest, LmResponse, MakeRoom, Probe } from '../../core/lm.ts';
import type { Notice } from '../../core/notice.ts';
import { answer } from './answer.ts';
import { type CompiledPlan, compilePlan } from './compiled-plan.ts';
import { createContexts } from './contexts.ts';
import { createEmbedder, type Embedder } from './embedder.ts';
import { openModel } from './engine.ts';
import { createGrammars } from './grammars.ts';
import type { LogLines } from './log-lines.ts';
import { measureProbe, requireValidProbe } from './measure-probe.ts';
import { createNativeGarbage } from './native-garbage.ts';
import { createPace } from './pace.ts';
import { extendPrefix, noPrefix } from './prefix.ts';
import type { OpenOrder, Work, WorkResult } from './protocol.ts';
import { rememberLast } from './remember.ts';
import { createRenderer, type Renderer } from './renderer.ts';
import { isReproducible, warmUp } from './reproducibility.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';

/** An open model that does work. It lives in a process of its own; `child.ts` is the door. */
export interface Host {
  readonly engine: Engine;
  readonly notices: readonly Notice[];
  do(work: Work, attention: Attention): Promise<WorkResult>;
}

/** What is between a work and its host: `signal` drops it, `onStart` tells when it may begin to do harm. */
export interface Attention {
  readonly signal: AbortSignal;
  onStart(): void;
}

export interface HostEvents {
  /** Something was computed; `passMs`: how long it should take until there is something to tell again. */
  onProgress(passMs?: number): void;
  onBroken(error: unknown): void;
  readonly makeRoom: MakeRoom;
}

interface Parts {
  readonly engine: Omit<Engine, 'reproducible'>;
  readonly vocabularySize: number;
  readonly renderer: Renderer;
  readonly scheduler: Scheduler;
  readonly embedder: Embedder;
  requireGrammar(text: string): void;
  readonly onProgress: HostEvents['onProgress'];
}

export async function openHost(order: OpenOrder, log: LogLines, events: HostEvents): Promise<Host> {
  const { llama, model, engine, notices } = await openModel(order, log, events);
  const renderer = createRenderer(model);
  const grammars = createGrammars(llama, model);
  const { scratch } = order;
  const { onProgress, onBroken } = events;
  const unwanted = unwantedTokens(model);
  const vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const garbage = createNativeGarbage(vocabularySize);
  const pace = createPace(onProgress);
  const contexts = createContexts(
    { model, layout: engine, scratch, unwanted, grammar: grammars.get, garbage, pace },
    log,
  );
  const scheduler = createScheduler({ contextFor: contexts.get, onBroken });
  const parts: Parts = {
    engine,
    vocabularySize,
    renderer,
    scheduler,
    embedder: createEmbedder({ model, layout: engine, pace, tokenize: renderer.vocabulary.tokenize }, log),
    requireGrammar: grammars.require,
    onProgress,
  };
  const reproducible = await reproducibilityOf(parts, order.earlier);
  return { engine: { ...engine, reproducible }, notices: [...notices, ...renderer.notices], do: workOn(parts) };
}

/** An engine that is the same as at an earlier opening need not be probed again. */
async function reproducibilityOf(parts: Parts, earlier: Engine | null): Promise<Engine['reproducible']> {
  const known = carriedOver(parts.engine, earlier);
  if (known === null) return (await isReproducible(parts)) ? 'bytes' : 'replay';
  // Without a pass to go by, a slow model's first long one could not be told from a hang.
  await warmUp(parts);
  return known;
}

/** An answer is text: control tokens that do not end it are never drawn. A grammar would take them for their spelling. */
function unwantedTokens(model: LlamaModel): TokenBias {
  const bias = TokenBias.for(model);
  for (const token of model.iterateAllTokens())
    if (model.getTokenAttributes(token).control && !model.isEogToken(token)) bias.set(token, 'never');
  return bias;
}

function carriedOver(engine: Omit<Engine, 'reproducible'>, earlier: Engine | null): Engine['reproducible'] | null {
  if (!earlier) return null;
  const { reproducible, ...rest } = earlier;
  return JSON.stringify(Object.entries(rest).sort()) === JSON.stringify(Object.entries(engine).sort())
    ? reproducible
    : null;
}

function workOn(parts: Parts): Host['do'] {
  const generate = generator(parts);
  return async (work, attention) => {
    switch (work.kind) {
      case 'generate':
        return { kind: 'generate', response: await generate(work.request, work.adapter, attention) };
      case 'encode':
        return { kind: 'encode', rows: await eachRow(work.rows, parts.renderer.row, parts, attention) };
      case 'token-texts':
        return { kind: 'token-texts', texts: await eachRow(work.rows, parts.renderer.texts, parts, attention) };
      case 'log-probabilities':
        return { kind: 'log-probabilities', distributions: await measureAll(parts, work, attention) };
      case 'embed':
        return { kind: 'embed', vectors: await embed(parts, work.texts, attention) };
    }
  };
}

function generator({ engine, renderer, scheduler, requireGrammar }: Parts) {
  const { vocabulary } = renderer;
  const compile = rememberLast(64, ({ answer: plan, choice }: Pick<LmRequest, 'answer' | 'choice'>): CompiledPlan => {
    const compiled = compilePlan(plan, choice, vocabulary);
    for (const part of compiled) if (part.type === 'value' && part.grammar !== null) requireGrammar(part.grammar);
    return compiled;
  });
  // The library keeps the last cell free.
  const capacity = engine.contextTokens - 1;
  return async (request: LmRequest, adapter: AdapterFile | null, attention: Attention): Promise<LmResponse> => {
    const { answer: plan, choice, sampling } = request;
    const { ids, prefix: shared } = renderer.prompt(request.prompt);
    // Samples of one prompt share all of it but the last token, which is what the first of an answer is drawn behind.
    const sampled = sampling.temperature > 0 ? extendPrefix(shared, ids.slice(0, -1)) : shared;
    // A prompt that does not fit has no business in a slot; its answer is a failure that needs no pass.
    const prefix = ids.length <= capacity ? sampled : noPrefix;
    const task = {
      plan: compile({ answer: plan, choice }),
      promptIds: ids,
      sharedIds: Math.min(shared.ids.length, prefix.ids.length),
      cachedIds: prefix.ids.length,
      sampling,
      capacity,
      vocabulary,
    };
    return scheduler.run({ adapter, prefix, steps: () => answer(task), ...attention });
  };
}

async function eachRow<Row, Result>(
  rows: readonly Row[],
  resultOf: (row: Row) => Result,
  { onProgress }: Parts,
  { signal, onStart }: Attention,
): Promise<Result[]> {
  onStart();
  const results: Result[] = [];
  for (const [index, row] of rows.entries()) {
    results.push(resultOf(row));
    if (index % 64 !== 63) continue;
    // Tokenizing is synchronous: let the running answers and a drop through.
    await nextTurn();
    signal.throwIfAborted();
    onProgress();
  }
  return results;
}

async function embed(
  { scheduler, embedder, onProgress }: Parts,
  texts: readonly string[],
  { signal, onStart }: Attention,
): Promise<Float32Array[]> {
  onStart();
  await embedder.open();
  const vectors: Float32Array[] = [];
  for (const text of texts) {
    signal.throwIfAborted();
    vectors.push(await scheduler.between(() => embedder.vectorOf(text)));
    onProgress();
  }
  return vectors;
}

interface Measurement {
  readonly probes: readonly Probe[];
  readonly adapter: AdapterFile | null;
}

async function measureAll(
  parts: Parts,
  { probes, adapter }: Measurement,
  attention: Attention,
): Promise<Float32Array[]> {
  const { engine, scheduler, vocabularySize } = parts;
  for (const probe of probes) requireValidProbe(probe, vocabularySize, engine.contextTokens - 1);
  const distributions: Float32Array[] = [];
  for (const probe of probes) {
    const steps = () => measureProbe(probe, engine.batchTokens);
    distributions.push(...(await scheduler.run({ adapter, prefix: noPrefix, steps, ...attention })));
  }
  return distributions;
}
