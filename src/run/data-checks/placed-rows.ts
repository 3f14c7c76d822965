import { candidateOf } from '../../core/callable.ts';
import type { Example, SplitName, Splits } from '../../core/example.ts';
import { example } from '../../core/example.ts';
import type { AnyProgram } from '../compile-options.ts';
import type { StepOverrides } from '../experiment.ts';
import { normalForm } from './normal-form.ts';
import type { PlacedExample } from './placed-example.ts';

interface RowSources {
  readonly splits: Splits;
  readonly overrides: { readonly [key: string]: StepOverrides };
  /** The student, teachers: what they show as demos has been learned from. */
  readonly programs: readonly AnyProgram[];
  readonly places: ReadonlyMap<Example, string>;
}

/** All rows that a run learns from, selects on or is judged by. What stands beside the splits counts once: a step may have a part of train. */
export function placedRows({ splits, overrides, programs, places }: RowSources): PlacedExample[] {
  const placed = (split: SplitName, examples: readonly Example[]) =>
    examples.map((row): PlacedExample => ({ split, place: places.get(row) ?? `${split} row`, example: row }));
  const own = Object.values(overrides);
  const beside = [
    ...placed(
      'train',
      own.flatMap(({ train = [] }) => train),
    ),
    ...placed(
      'val',
      own.flatMap(({ val = [] }) => val),
    ),
    ...programs.flatMap(demosOf),
  ];
  const rows = [...placed('train', splits.train), ...placed('val', splits.val), ...placed('test', splits.test)];
  const keyOf = ({ split, example: { inputs } }: PlacedExample) => `${split}\n${normalForm(inputs).key}`;
  const known = new Set(rows.map(keyOf));
  return [...rows, ...beside.filter((row) => !known.has(keyOf(row)))];
}

const demosOf = (program: AnyProgram): PlacedExample[] =>
  Object.entries(candidateOf(program).predictors).flatMap(([name, { demos }]) =>
    demos.map(({ inputs, outputs }, index) => ({
      split: 'train',
      place: `demo ${index + 1} of ${name}`,
      example: example(inputs, outputs),
    })),
  );
