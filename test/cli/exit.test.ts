import { expect, test } from 'vitest';
import { exitCodeOf, explain } from '../../src/cli/exit.ts';
import { InputError, Interrupted, StepError, TooManyErrors, WorldError } from '../../src/core/errors.ts';

test.each([
  ['bad input', new InputError('code', ['no'], 'hint'), 2],
  ['too many errors of the user', new TooManyErrors('code', 'no', 'hint'), 2],
  ['a broken world', new WorldError('code', 'no', 'hint'), 1],
  ['a failed step', new StepError('code', 'no', 'hint'), 1],
  ['a mistake of ours', new TypeError('no'), 1],
  ['something that is no error', 'no', 1],
  ['an interruption', new Interrupted(), 130],
])('%s ends with its own code', (_, error, code) => {
  expect(exitCodeOf(error)).toBe(code);
});

test('an error of ours is told by its facts and its remedy', () => {
  expect(explain(new InputError('code', ['Line 1 is empty.', 'Line 3 is empty.'], 'Fill them.'))).toBe(
    'Line 1 is empty.\nLine 3 is empty.\nFill them.',
  );
});

test('a mistake of ours is told with its stack', () => {
  const error = new TypeError('Unexpected value: 3');
  expect(explain(error)).toBe(
    `This is a mistake in better-together itself, please report it. Everything computed so far is kept.\n${error.stack}`,
  );
});

test('something that is no error is told as it is', () => {
  expect(explain('odd').split('\n')[1]).toBe('odd');
});
