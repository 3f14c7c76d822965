import { predict, program as programOf } from '../../src/core/callable.ts';
import type { LmRequest } from '../../src/core/lm.ts';
import { signature } from '../../src/core/signature.ts';
import { type ScriptedModel, scriptedModel } from './scripted-model.ts';

/** Whether a number is odd or even: a task whose right answers one can check by eye. */
export const parity = signature("number -> kind: 'odd' | 'even'", 'Is the number odd or even?');

export const rightKind = (text: string): string => (Number(text) % 2 === 1 ? 'odd' : 'even');

/** Labelled rows for the numbers from `first` up to and without `end`. */
export const numbers = (first: number, end: number) =>
  Array.from({ length: end - first }, (_, index) => ({
    number: String(first + index),
    kind: rightKind(String(first + index)),
  }));

/** Right answers on numbers whose last digit is below this, 0 to 10. */
type Skill = (request: LmRequest) => number;

/** A student that is right on as many last digits as its skill says, and says the opposite on the others. */
export function student(skill: Skill, name?: string): ScriptedModel {
  return scriptedModel((request) => {
    const text = request.prompt.user;
    const right = rightKind(text);
    return [Number(text.at(-1)) < skill(request) ? right : right === 'odd' ? 'even' : 'odd'];
  }, name);
}

export const program = (model: ScriptedModel) => predict(parity).withLm(model);

/** Two predictors of one kind, with code between them. */
export const pairProgram = (model: ScriptedModel) =>
  programOf({
    predictors: { first: parity, second: parity },
    run: async ({ number }: { number: string }, call) => {
      await call('first', { number });
      return call('second', { number });
    },
  }).withLm(model);
