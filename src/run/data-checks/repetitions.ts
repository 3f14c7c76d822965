import type { Finding, FindingKind } from '../../core/data-report.ts';
import type { SplitName } from '../../core/example.ts';
import { canonicalJson } from '../../core/json.ts';
import { alikePairs } from './alike.ts';
import { type NormalForm, normalForm } from './normal-form.ts';
import { groupedBy, type PlacedExample, placeText, rowOf } from './placed-example.ts';

/**
 * The share of character 5-grams from which two texts count as one. Of 208 tickets with a word less 196 are found, with another word 190,
 * with a typing mistake 202; of the 225,456 pairs of real tickets none (`npm run bench -- data-checks`).
 */
const leastLikeness = 0.6;

/** Rows whose inputs are the same, but for case and punctuation, or nearly the same: within splits and across them. */
export function findRepetitions(rows: readonly PlacedExample[]): Finding[] {
  const formed = rows.map((row) => ({ row, form: normalForm(row.example.inputs) }));
  const groups = [...groupedBy(formed, ({ form }) => form.key).values()];
  const repeated = groups
    .filter((group) => group.length > 1)
    .map((group) =>
      finding(
        group.map(({ row }) => row),
        kinds.same,
        equality(group.map(({ row }) => row)),
      ),
    );
  return [...repeated, ...nearlyRepeated(groups)];
}

const equality = ([first, ...others]: readonly PlacedExample[]): string =>
  others.every(({ example }) => canonicalJson(example.inputs) === canonicalJson(first!.example.inputs))
    ? 'the same inputs'
    : 'the same inputs but for case and punctuation';

/** Compares the different inputs; rows that repeat one stand behind it. */
function nearlyRepeated(groups: readonly { readonly row: PlacedExample; readonly form: NormalForm }[][]): Finding[] {
  const comparable = groups.map((group) => ({ texts: group[0]!.form.texts, group: group[0]!.form.numbers }));
  return alikePairs(comparable, leastLikeness).map(({ first, second, likeness }) => {
    const rows = [...groups[first]!, ...groups[second]!].map(({ row }) => row);
    return finding(rows, kinds.near, `inputs that share ${Math.floor(100 * likeness)} % of their text`);
  });
}

/** By where the rows stand: in test and elsewhere, in train and val, or in one split. */
interface Kinds {
  readonly test: FindingKind;
  readonly val: FindingKind;
  readonly within: FindingKind;
}

const kinds: { readonly same: Kinds; readonly near: Kinds } = {
  same: { test: 'test-leak', val: 'split-overlap', within: 'duplicate' },
  near: { test: 'near-test-leak', val: 'near-overlap', within: 'near-duplicate' },
};

function finding(rows: readonly PlacedExample[], names: Kinds, fact: string): Finding {
  const splits = new Set<SplitName>(rows.map(({ split }) => split));
  const kind = splits.size === 1 ? names.within : splits.has('test') ? names.test : names.val;
  return { kind, rows: rows.map(rowOf), fact: `${rows.map(placeText).join(', ')}: ${fact}` };
}
