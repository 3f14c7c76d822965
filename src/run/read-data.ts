import type { Example, Splits } from '../core/example.ts';
import type { Notice } from '../core/notice.ts';
import type { Structure } from '../core/program.ts';
import type { CompileOptions } from './compile-options.ts';
import { type ExampleLike, makeSplits, readExamples } from './splits.ts';

/** Reads rows, and remembers where each of them stands. */
export interface RowReader {
  /** `name` stands in messages about rows that have no place of their own, such as `trainset[3]`. */
  read(name: string, rows: readonly ExampleLike[]): Example[];
  readonly places: ReadonlyMap<Example, string>;
}

export function rowReader(structure: Structure, given: CompileOptions<string>['places']): RowReader {
  const places = new Map<Example, string>();
  return {
    places,
    read(name, rows) {
      const place = (index: number) => given?.get(rows[index]!) ?? `${name}[${index}]`;
      const examples = readExamples(structure, rows, place);
      for (const [index, example] of examples.entries()) places.set(example, place(index));
      return examples;
    },
  };
}

export type DataOptions = Pick<
  CompileOptions<string>,
  'trainset' | 'valset' | 'testset' | 'valsetRatio' | 'testsetRatio' | 'seed'
>;

/** The splits that options ask for. */
export const readSplits = (
  { read }: RowReader,
  options: DataOptions,
): { readonly splits: Splits; readonly notices: readonly Notice[] } =>
  makeSplits({
    train: read('trainset', options.trainset),
    val: options.valset ? read('valset', options.valset) : null,
    test: options.testset ? read('testset', options.testset) : null,
    valRatio: options.valsetRatio ?? 0.1,
    testRatio: options.testsetRatio ?? 0,
    seed: options.seed ?? 0,
  });
