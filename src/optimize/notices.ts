import type { OptimizerContext } from '../core/optimizer.ts';

/** A search that the budget of the run ends. */
export function sayThatTheBudgetEnds({ notice }: Pick<OptimizerContext, 'notice'>, tried: number): void {
  notice({
    code: 'budget-ends-search',
    message: `The budget has no calls left for another candidate: ${tried} were tried.`,
  });
}

/** A search whose result is the program that it was given. */
export function sayThatTheStartIsKept({ notice }: Pick<OptimizerContext, 'notice'>, reason: string): void {
  notice({ code: 'start-kept', message: `The start is kept: ${reason}.` });
}
