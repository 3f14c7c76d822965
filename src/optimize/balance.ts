import type { TrainingRow } from '../core/data-set.ts';
import type { Fields, Json } from '../core/json.ts';
import type { Rng } from '../core/rng.ts';
import type { SignatureFields } from '../core/signature.ts';

type Labelled = Pick<TrainingRow, 'predictor' | 'label'>;

/** What the outputs with a closed set of labels are; null where a signature has none. */
export function labelOf({ outputFields }: SignatureFields, outputs: Fields): string | null {
  const [only, ...others] = outputFields.filter(({ kind }) => kind.type === 'choice');
  if (!only) return null;
  if (others.length === 0) return textOf(outputs[only.name]);
  return [only, ...others].map(({ name }) => `${name}=${textOf(outputs[name])}`).join(', ');
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : JSON.stringify(value ?? null));

/** In turn from every label, so that any first n are balanced; shuffled otherwise. */
export function inTurn<Item extends Labelled>(items: readonly Item[], rng: Rng): Item[] {
  return placed(rng.shuffle(items))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** The first of each label, as many as its predictor has of the rarest that it has. */
export function evenly<Item extends Labelled>(items: readonly Item[]): Item[] {
  const all = placed(items);
  const sizes = new Map(all.map(({ group, place }) => [group, place + 1]));
  const rarest = new Map<string, number>();
  for (const { item, group } of all)
    rarest.set(item.predictor, Math.min(sizes.get(group)!, rarest.get(item.predictor) ?? Number.POSITIVE_INFINITY));
  return all.filter(({ item, place }) => place < rarest.get(item.predictor)!).map(({ item }) => item);
}

/** Each with its place, from 0, among those of its predictor and label. */
function placed<Item extends Labelled>(items: readonly Item[]) {
  const taken = new Map<string, number>();
  return items.map((item) => {
    const group = JSON.stringify([item.predictor, item.label]);
    const place = taken.get(group) ?? 0;
    taken.set(group, place + 1);
    return { item, group, place };
  });
}
