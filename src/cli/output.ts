import type { Program } from '../core/callable.ts';

/** Where a command says what: with `--json` exactly one JSON document on stdout, and everything for people on stderr. */
export interface Output {
  readonly human: NodeJS.WriteStream;
  note(text: string): void;
  result(document: unknown, humanText: () => string): void;
}

export function output(json: boolean): Output {
  const human = process.stderr;
  return {
    human,
    note: (text) => human.write(`${text}\n`),
    result: (document, humanText) =>
      process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${humanText()}\n`),
  };
}

/** Tells the person what there is to know about a program's models. */
export function noteModels({ models }: Pick<Program, 'models'>, { note }: Output): void {
  for (const { notices } of models.values()) for (const { message } of notices) note(`Note: ${message}`);
}
