import { example } from '../core/example.ts';
import { contentId, type Json } from '../core/json.ts';
import { dataSetsOf } from '../core/step-data-set.ts';
import type { Store, StoredRun } from '../core/store.ts';

type Content = Pick<Store, 'events' | 'splits' | 'example' | 'dataSet'>;

/** What a store has of a run under the hash of its content, and is not that any more: the experiment, its data, and what was trained on. */
export function alteredContent(store: Content, run: StoredRun): string[] {
  return [
    ...(contentId(run.experiment) === run.id ? [] : [`experiment of run ${run.id}`]),
    ...alteredExamples(store, run),
    ...dataSetsOf(store.events(run.id)).flatMap(({ id, step }) => {
      const dataSet = store.dataSet(id);
      // `as`: a data set is plain data.
      return dataSet && contentId(dataSet as unknown as Json) === id ? [] : [`data set ${id} (step ${step})`];
    }),
  ];
}

function alteredExamples(store: Content, run: StoredRun): string[] {
  const splits = store.splits(run.id);
  if (!splits) return [];
  // `as`: the run layer stored this; see describeExperiment.
  const { splits: named } = run.experiment as unknown as { readonly splits: { readonly [split: string]: string } };
  return Object.entries(splits).flatMap(([split, ids]) => [
    ...(contentId([...ids]) === named[split] ? [] : [`split ${split}`]),
    ...ids.flatMap((id, index) => {
      const stored = store.example(id);
      const isIntact = stored !== undefined && example(stored.inputs, stored.labels).id === id;
      return isIntact ? [] : [`example ${id} (${split}, row ${index + 1})`];
    }),
  ]);
}
