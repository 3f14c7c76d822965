import { expect, test } from 'vitest';
import { assertNever, InputError, Interrupted, WorldError } from '../../src/core/errors.ts';

test('an input error carries every mistake, and says them all', () => {
  const error = new InputError('data-malformed', ['line 1 is empty', 'line 3 is empty'], 'Fill them.');
  expect({ ...error, message: error.message }).toEqual({
    name: 'InputError',
    code: 'data-malformed',
    hint: 'Fill them.',
    mistakes: ['line 1 is empty', 'line 3 is empty'],
    message: 'line 1 is empty\nline 3 is empty',
  });
});

test('an error keeps what caused it', () => {
  const cause = new Error('ENOSPC');
  expect(new WorldError('disk-full', 'The disk is full.', 'Make room.', { cause }).cause).toBe(cause);
});

test('an interruption says that the run goes on where it was', () => {
  expect(new Interrupted().hint).toBe('Run the same command again: it goes on where it was.');
});

test('a state that cannot be is shown', () => {
  expect(() => assertNever({ kind: 'new' } as never)).toThrow('Unexpected value: {"kind":"new"}');
});
