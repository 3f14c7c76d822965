import type { Candidate } from '../core/candidate.ts';
import { StepError } from '../core/errors.ts';
import type { Example } from '../core/example.ts';
import { canonicalJson, type Fields, shortId } from '../core/json.ts';
import type { FitOrder } from '../core/optimizer.ts';
import type { Experiment } from './experiment.ts';

/** Keeps rows of val and test out of prompts and training rows, whatever an optimizer does. */
export interface SealedRows {
  /** Throws a StepError for a demo that is such a row. */
  requireDemos(candidate: Candidate): void;
  requireTrainingRows(rows: FitOrder['rows']): void;
}

/** For one step, which may have splits of its own. What stands in train too has been reported, and is train. */
export function sealedRows({ splits, initial, overrides }: Experiment, key: string): SealedRows {
  const { train = splits.train, val = splits.val } = overrides[key] ?? {};
  const open = new Set([...splits.train, ...train].flatMap(namesOf));
  for (const { demos } of Object.values(initial.predictors))
    for (const { inputs, source } of demos) open.add(source).add(canonicalJson(inputs));
  const sealed = new Set([...splits.val, ...val, ...splits.test].flatMap(namesOf).filter((name) => !open.has(name)));
  return {
    requireDemos({ predictors }) {
      for (const [name, { demos }] of Object.entries(predictors))
        for (const { source, inputs } of demos)
          if (sealed.has(source) || sealed.has(canonicalJson(inputs))) throw refusal(`a demo of "${name}"`, inputs);
    },
    requireTrainingRows(rows) {
      for (const { example, prompt } of rows)
        if (sealed.has(example)) throw refusal(`a training row (example ${shortId(example)})`, { prompt: prompt.user });
    },
  };
}

/** An example is known by its id, and by what it asks. */
const namesOf = ({ id, inputs }: Example): string[] => [id, canonicalJson(inputs)];

const refusal = (what: string, shown: Fields): StepError =>
  new StepError(
    'sealed-row',
    `The optimizer made ${what} out of a val or test row: ${JSON.stringify(shown).slice(0, 200)}.`,
    'Optimizers learn from context.train; val is there to be judged by.',
  );
