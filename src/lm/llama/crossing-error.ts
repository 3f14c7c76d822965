import { InputError, WorldError } from '../../core/errors.ts';
import type { CrossingError } from './protocol.ts';

/** An error as plain data, for the way from the host to its parent. */
export function toCrossing(error: unknown): CrossingError {
  if (error instanceof InputError)
    return { kind: 'input', code: error.code, messages: error.mistakes, hint: error.hint };
  if (error instanceof WorldError)
    return { kind: 'world', code: error.code, messages: [error.message], hint: error.hint };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'defect', code: 'host-defect', messages: [message], hint: '' };
}

/** The error again, as its class. */
export function fromCrossing({ kind, code, messages, hint }: CrossingError): Error {
  if (kind === 'input') return new InputError(code, messages, hint);
  if (kind === 'world') return new WorldError(code, messages.join('\n'), hint);
  return new Error(`In the model host: ${messages.join('\n')}`);
}
