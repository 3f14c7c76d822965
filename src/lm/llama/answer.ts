import type { ChoiceOutcome, LmResponse } from '../../core/lm.ts';
import { seededRng } from '../../core/rng.ts';
import { choose } from './choose.ts';
import type { CompiledPlan, CompiledValue } from './compiled-plan.ts';
import { type AnswerTask, type Draft, Stopped, startDraft } from './draft.ts';
import { type Sampler, type Steps, sample } from './steps.ts';
import { isComplete } from './value-end.ts';

/**
 * Decodes an answer in as few forward passes as its plan allows: forced tokens wait for the next pass, a fork among labels costs one
 * pass, and what is forced after the last decision costs none.
 */
export function* answer(task: AnswerTask): Steps<LmResponse> {
  const draft = startDraft(task);
  try {
    draft.requirePromptFits();
    const decoded: Decoded[] = [];
    for (const [index, part] of task.plan.entries()) decoded.push(yield* decodePart(part, index, draft));
    draft.append([task.vocabulary.endOfTurn]);
    return {
      failure: null,
      pieces: decoded.map(({ piece }) => piece),
      choices: decoded.map(({ choice }) => choice),
      constraint: draft.constraint(),
      completionIds: draft.completionIds(),
      usage: draft.usage(),
    };
  } catch (error) {
    if (error instanceof Stopped) return { failure: error.failure, usage: draft.usage() };
    throw error;
  }
}

interface Decoded {
  readonly piece: string;
  readonly choice: ChoiceOutcome | null;
}

function* decodePart(part: CompiledPlan[number], index: number, draft: Draft): Steps<Decoded> {
  if (part.type === 'text') {
    draft.append(part.ids);
    return { piece: part.text, choice: null };
  }
  const rng = seededRng(`${draft.task.sampling.seed}/part-${index}`);
  if (part.type === 'value') return { piece: yield* decodeValue(part, rng.int(2 ** 31), draft), choice: null };
  const { option, outcome } = yield* choose(part, draft, rng.next);
  return { piece: part.options[option]!, choice: outcome };
}

function* decodeValue({ grammar, end }: CompiledValue, seed: number, draft: Draft): Steps<string> {
  const { sampling, vocabulary } = draft.task;
  const sampler: Sampler = { ...sampling, grammar, seed };
  const start = draft.completed();
  for (;;) {
    // Before the pass, not after it: even the end of the turn would not fit.
    draft.requireRoom(1);
    const { token, isOverruled } = yield* sample(draft.take(), sampler);
    if (grammar !== null) draft.countSampled(isOverruled);
    if (vocabulary.endsTurn(token)) return draft.textSince(start);
    draft.append([token]);
    const text = draft.textSince(start);
    if (isComplete(text, end)) return text;
  }
}
