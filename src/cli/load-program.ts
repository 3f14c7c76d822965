import { existsSync } from 'node:fs';
import { type Program, program as programOf } from '../core/callable.ts';
import { InputError } from '../core/errors.ts';
import type { Fields } from '../core/json.ts';
import type { LanguageModel } from '../core/lm.ts';
import { readProgram } from '../store/program-file.ts';
import { isEndpoint, openModel } from './wiring.ts';

export interface LoadOptions {
  /** Where the base GGUF lies now, or its endpoint; default: where it was when the program was saved. Its id is checked either way. */
  readonly gguf?: string;
  readonly device?: 'auto' | 'cpu' | 'cuda' | 'metal';
  readonly threads?: number;
  /** The program's code, for a program with more than one predictor. */
  readonly program?: Pick<Program, 'structure' | 'withLm'>;
}

/** An optimized program from its file, ready to be called: prompts, base model and adapter as they were saved. Close it when done. */
export type LoadedProgram = Program & AsyncDisposable;

export async function loadProgram(path: string, options: LoadOptions = {}): Promise<LoadedProgram> {
  const saved = await readProgram(path);
  const [signature, ...others] = Object.entries(saved.predictors);
  if (!signature || (others.length > 0 && !options.program)) {
    throw new InputError(
      'program-code',
      [`${path} has ${others.length + 1} predictors and needs the code between them.`],
      'Give it: loadProgram(path, { program: myProgram }).',
    );
  }
  const [name] = signature;
  // `as`: read back from disk, the fields' types are only known at run time.
  const blank = (options.program ??
    programOf({
      predictors: saved.predictors,
      run: (inputs: Fields, call) => call(name, inputs) as Promise<Fields>,
    })) as Program;
  const models: (LanguageModel & AsyncDisposable)[] = [];
  let program = blank;
  for (const base of saved.bases) {
    const gguf = options.gguf ?? base.path;
    if (!isEndpoint(gguf) && !existsSync(gguf))
      throw new InputError(
        'model-missing',
        [`The base model "${base.name}" of ${path} is not at ${gguf}.`],
        'Give its place: gguf (--model on the command line).',
      );
    const { device, threads } = options;
    const model = await openModel(gguf, { ...(device ? { device } : {}), ...(threads ? { threads } : {}) });
    if (model.base.sha256 !== base.sha256) {
      throw new InputError(
        'model-differs',
        [`${gguf} has sha256 ${model.base.sha256}, but ${path} was made with ${base.sha256}.`],
        model.weights
          ? 'Name the GGUF file that the program was optimized on.'
          : `An endpoint's model is known by address, name and what the server says of it. The program was optimized on ${base.path}.`,
      );
    }
    models.push(model);
    program = program.withLm(model);
  }
  const loaded = program.withCandidate(saved.candidate, saved.adapters, saved.embeddings);
  return Object.assign(loaded, {
    async [Symbol.asyncDispose]() {
      for (const model of models) await model[Symbol.asyncDispose]();
    },
  });
}
