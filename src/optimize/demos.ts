import { type Candidate, type Demo, mapPredictors, type PredictorState, showing } from '../core/candidate.ts';
import { renderPrompt } from '../core/chat-format.ts';
import type { Example } from '../core/example.ts';
import type { TextRow } from '../core/lm.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Signature } from '../core/signature.ts';
import { usualDemoTokens } from '../core/token-estimate.ts';

/** The example as a demo of one predictor, or null when it does not hold all of that predictor's fields. */
export function labelledDemo(signature: Signature, { id, inputs, labels }: Example): Demo | null {
  const known = { ...inputs, ...labels };
  const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, known[name] ?? null]));
  const inputNames = signature.inputFields.map(({ name }) => name);
  const outputNames = signature.outputFields.map(({ name }) => name);
  if ([...inputNames, ...outputNames].some((name) => known[name] === undefined)) return null;
  return { inputs: pick(inputNames), outputs: pick(outputNames), source: id };
}

/** For each predictor the demos that its train examples hold; empty lists where labels do not reach that predictor. */
export function labelledPools({ structure, train }: OptimizerContext): ReadonlyMap<string, readonly Demo[]> {
  const pools = Object.entries(structure.predictors).map(([name, signature]): [string, Demo[]] => [
    name,
    train.map((example) => labelledDemo(signature, example)).filter((demo) => demo !== null),
  ]);
  return new Map(pools);
}

/** The candidate without any choice among its demos: whatever it has, every question is shown. */
export const showingAll = (candidate: Candidate): Candidate =>
  mapPredictors(candidate, (state) => showing(state, state.demos));

/**
 * The candidate with these demos, as many of them in order as fit the token cap; a demo that would not fit is left out, never cut. Where
 * demos are chosen by likeness, each may take as much of the cap as lets any choice fit.
 */
export async function withDemos(
  parent: Candidate,
  demos: ReadonlyMap<string, readonly Demo[]>,
  maxDemoTokens: number | null,
  context: OptimizerContext,
): Promise<Candidate> {
  const fitting = new Map<string, readonly Demo[]>();
  for (const [name, state] of Object.entries(parent.predictors)) {
    const signature = context.structure.predictors[name];
    if (!signature) continue;
    fitting.set(name, await thatFit(signature, state, demos.get(name) ?? [], maxDemoTokens, context));
  }
  return mapPredictors(parent, (state, name) => ({ ...state, demos: fitting.get(name) ?? [] }));
}

async function thatFit(
  signature: Signature,
  state: PredictorState,
  demos: readonly Demo[],
  maxDemoTokens: number | null,
  context: OptimizerContext,
): Promise<readonly Demo[]> {
  const { room, sizes } = await demoSizes(signature, state, demos, maxDemoTokens, context);
  let used = 0;
  return demos.filter((_, index) => {
    if (state.nearest !== undefined) return sizes[index]! <= room / state.nearest;
    if (used + sizes[index]! > room) return false;
    used += sizes[index]!;
    return true;
  });
}

/** The tokens that each demo adds to a prompt, and how many all demos of one prompt may take. */
export async function demoSizes(
  signature: Signature,
  state: PredictorState,
  demos: readonly Demo[],
  maxDemoTokens: number | null,
  context: OptimizerContext,
): Promise<{ readonly room: number; readonly sizes: readonly number[] }> {
  if (demos.length === 0) return { room: 0, sizes: [] };
  const base = state.model.base;
  // A quarter of the context, unless told otherwise.
  const room = maxDemoTokens ?? Math.min(usualDemoTokens, Math.floor((await context.contextTokens(base)) / 4));
  const prompt = (shown: readonly Demo[]): TextRow => ({
    prompt: { ...renderPrompt(signature, { ...state, demos: shown }, demos[0]!.inputs), user: '' },
    pieces: null,
  });
  const [empty, ...sizes] = await context.countTokens(base, [prompt([]), ...demos.map((demo) => prompt([demo]))]);
  return { room, sizes: sizes.map((size) => size - empty!) };
}
