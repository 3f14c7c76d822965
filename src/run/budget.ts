import type { BudgetState } from '../core/budget.ts';
import type { TokenUsage } from '../core/lm.ts';
import type { Notice } from '../core/notice.ts';
import type { RowGroups } from '../evaluate/evaluate.ts';
import { type BudgetLimits, budgetSpent, budgetState } from './budget-limits.ts';
import type { TimeLimit } from './time-limit.ts';
import { createTokenMeter, type GroupKind, type TokenMeter } from './token-meter.ts';

/** What the steps of a run may spend, and have spent. Nothing is made that might be too much: it is refused with a StepError. */
export interface Budget {
  /** Runs a step: what is asked meanwhile counts. */
  counting<T>(step: () => Promise<T>): Promise<T>;
  /** Requests that the rest of every limit pays for: rows, their metric calls and tokens; 0 when the time is over. */
  callsLeft(): number;
  /** Before questions are asked, or so many rows are evaluated. */
  begin(metricCalls: number): void;
  /** Before work that takes time and nothing else. */
  requireTime(): void;
  /** How the rows of an evaluation are asked; null: all at once. `mostTokens`: what a row takes at most. */
  rowGroups(mostTokens: () => Promise<number>): Promise<RowGroups | null>;
  /** Asks the prompt model. */
  question<T>(ask: () => Promise<T>): Promise<T>;
  /** Before each request. `tokens` gives its bound. */
  request(base: string, tokens: () => Promise<number>): Promise<CountedRequest>;
  state(): BudgetState;
}

/** Settled with what the host counted, whether that was remembered or made. */
interface CountedRequest {
  settle(usage: TokenUsage): void;
}

interface BudgetOptions {
  readonly limits: BudgetLimits;
  /** Of the student: requests that one of its rows is taken to make. */
  readonly predictors: number;
  readonly time: TimeLimit;
  minutes(): number;
  notice(notice: Notice): void;
}

/** Rows of a group at most: enough to fill a host's sequences several times over. */
const mostRows = 32;

export function createBudget({ limits, predictors, time, minutes, notice }: BudgetOptions): Budget {
  const { maxCalls, maxMetricCalls, maxTokens } = limits;
  const meter = maxTokens === null ? null : createTokenMeter(maxTokens);
  const spent = { calls: 0, metricCalls: 0, tokens: 0 };
  let isCounting = false;
  let isOver = false;
  let knownExcess = 0;

  const refusal = () => {
    // How much a refused group has spent may depend on the order of its answers; that nothing is left does not.
    isOver = true;
    return budgetSpent(limits);
  };
  const inGroup = async <T>(kind: GroupKind, work: () => Promise<T>): Promise<T> => {
    if (!meter || !isCounting) return work();
    try {
      return await meter.group(kind, work);
    } finally {
      noteExcess(meter, maxTokens!);
    }
  };
  const noteExcess = (tokens: TokenMeter, limit: number) => {
    const excess = tokens.excess();
    // What a refused group has seen may depend on the order of its answers; a limit that was passed is told all the same.
    const isTold = excess > knownExcess && (!isOver || spent.tokens > limit);
    if (isTold) notice(overBound(excess, spent.tokens, limit));
    knownExcess = excess;
  };

  const add = (tokens: number) => {
    spent.tokens += tokens;
  };

  return {
    async counting(step) {
      isCounting = true;
      knownExcess = meter?.excess() ?? 0;
      try {
        return await step();
      } finally {
        isCounting = false;
      }
    },
    callsLeft() {
      if (time.isOver() || isOver) return 0;
      return Math.min(
        most(maxCalls) - spent.calls,
        // Where requests are compared, a row counts as one for each predictor, whatever it really makes.
        (most(maxMetricCalls) - spent.metricCalls) * predictors,
        meter?.requestsLeft(predictors) ?? Number.POSITIVE_INFINITY,
      );
    },
    begin(metricCalls) {
      if (!isCounting) return;
      const isTooMuch = spent.metricCalls + metricCalls > most(maxMetricCalls);
      if (time.isOver() || isOver || isTooMuch) throw budgetSpent(limits);
      spent.metricCalls += metricCalls;
    },
    requireTime() {
      if (time.isOver()) throw budgetSpent(limits);
    },
    async rowGroups(mostTokens) {
      if (!meter || !isCounting) return null;
      let tokensOfRow = await mostTokens();
      return async (rows, ask) => {
        let mean = 0;
        for (let from = 0, to = 0; from < rows; from = to) {
          const fitting = Math.floor(meter.left() / tokensOfRow);
          to = Math.min(rows, from + Math.max(1, Math.min(mostRows, fitting)));
          await inGroup('rows', () => ask(from, to));
          mean = Math.max(mean, meter.lastGroup() / (to - from));
          // Rows differ: half of what is left at most. At the end they go one by one.
          tokensOfRow = Math.max(2 * mean, meter.mostOfRow(predictors));
        }
      };
    },
    question: (ask) => inGroup('question', ask),
    async request(base, tokens) {
      if (isCounting && (isOver || ++spent.calls > most(maxCalls))) throw refusal();
      const counts = isCounting;
      if (!meter) return { settle: ({ prompt, completion }) => add(counts ? prompt + completion : 0) };
      const bound = await tokens();
      if (!counts) return meter.see(bound, base);
      const admitted = meter.admit(bound, base);
      if (!admitted) throw refusal();
      return { settle: (usage) => add(admitted.settle(usage)) };
    },
    // Requests that were refused were not made.
    state: () => budgetState(limits, { ...spent, calls: Math.min(spent.calls, most(maxCalls)), minutes: minutes() }),
  };
}

const most = (limit: number | null): number => limit ?? Number.POSITIVE_INFINITY;

function overBound(excess: number, spent: number, limit: number): Notice {
  const total = spent > limit ? ` The limit of ${limit} tokens was passed: ${spent} were spent.` : '';
  return {
    code: 'tokens-over-bound',
    message: `A model host counted up to ${excess} tokens more for a request than its texts and maxTokens can make: from here on that is allowed for.${total}`,
  };
}
