import type { Failure } from '../../core/failure.ts';
import type { ConstraintCost, Sampling, TokenUsage } from '../../core/lm.ts';
import type { CompiledPlan, Vocabulary } from './compiled-plan.ts';

export interface AnswerTask {
  readonly plan: CompiledPlan;
  readonly promptIds: readonly number[];
  /** How many of them all calls of the candidate have in common. */
  readonly sharedIds: number;
  /** How many of them are in the cache when the answer begins. */
  readonly cachedIds: number;
  readonly sampling: Sampling;
  /** How many tokens a slot can hold. */
  readonly capacity: number;
  readonly vocabulary: Vocabulary;
}

/** Thrown inside an answer, returned by it as a response. */
export class Stopped extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export type Draft = ReturnType<typeof startDraft>;

/** The tokens of an answer in progress, which of them the cache already holds, and what was counted on the way. */
export function startDraft(task: AnswerTask) {
  const { promptIds, sampling, capacity } = task;
  const ids = [...promptIds];
  let cached = task.cachedIds;
  let constraint: ConstraintCost = { forks: 0, overruled: 0 };
  const count = (isOverruled: boolean): void => {
    constraint = { forks: constraint.forks + 1, overruled: constraint.overruled + (isOverruled ? 1 : 0) };
  };
  const completed = () => ids.length - promptIds.length;
  const textSince = (start: number): string =>
    task.vocabulary.textOf(ids.slice(promptIds.length + start), ids.slice(0, promptIds.length + start));
  const tooLong = (message: string) => new Stopped({ kind: 'length', message });
  return {
    task,
    completionIds: () => ids.slice(promptIds.length),
    usage: (): TokenUsage => ({
      prompt: promptIds.length,
      cachedPrompt: task.sharedIds,
      completion: completed(),
    }),
    constraint: () => constraint,
    /** A fork among `options`, and the token that the model would have put there. */
    countFork: (options: readonly number[], top: number) => count(!options.includes(top)),
    /** A token sampled under a grammar. */
    countSampled: count,
    requirePromptFits() {
      if (promptIds.length <= capacity) return;
      throw tooLong(
        `The prompt has ${promptIds.length} tokens and a context of this host holds ${capacity}. Use fewer or shorter demos, or open the model with more contextTokens.`,
      );
    },
    /** Stops an answer that has no room for so many more tokens. */
    requireRoom(count: number) {
      if (completed() + count > sampling.maxTokens)
        throw tooLong(
          `The answer needs more than ${sampling.maxTokens} tokens (maxTokens); ${completed()} were decoded and ${count} more had to follow. It ends: ${JSON.stringify(textSince(0).slice(-80))}`,
        );
    },
    append(tokens: readonly number[]) {
      this.requireRoom(tokens.length);
      ids.push(...tokens);
    },
    /** Goes back to the first `length` tokens of the answer. */
    rewind(length: number) {
      ids.length = promptIds.length + length;
      cached = Math.min(cached, ids.length);
    },
    /** What the next pass has to evaluate, and behind how many tokens of the cache. */
    take() {
      if (ids.length > capacity)
        throw tooLong(
          `The context is full: ${promptIds.length} prompt tokens and ${completed()} of the answer, and it holds ${capacity}. Use a shorter prompt, or open the model with more contextTokens.`,
        );
      const pass = { keep: cached, tokens: ids.slice(cached) };
      cached = ids.length;
      return pass;
    },
    textSince,
    completed,
  };
}
