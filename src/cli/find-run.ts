import { InputError } from '../core/errors.ts';
import { shortId } from '../core/json.ts';
import type { Store, StoredRun } from '../core/store.ts';

/** The run whose id begins like this; an InputError where none or several do. */
export function findRun(store: Pick<Store, 'name' | 'runs'>, id: string): StoredRun {
  const found = store.runs().filter((run) => run.id.startsWith(id));
  if (found.length === 1) return found[0]!;
  const fact =
    found.length === 0
      ? `There is no run "${id}" in ${store.name}.`
      : `"${id}" fits ${found.length} runs: ${found.map((run) => shortId(run.id)).join(', ')}.`;
  throw new InputError('run-unknown', [fact], '"better-together runs" lists them; --store names another store.');
}
