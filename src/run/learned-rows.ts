import type { RowTexts, TrainingRow } from '../core/data-set.ts';
import type { Weights } from '../core/lm.ts';
import type { LearnedRow } from '../core/trainer.ts';

/** Training rows in the token ids of the serving renderer. The two answers of a pair follow one prompt. */
export async function learnedRows(
  rows: readonly TrainingRow[],
  { encode }: Pick<Weights, 'encode'>,
): Promise<LearnedRow[]> {
  const chosen = await encode(rows);
  const pairs = rows.filter(({ rejected }) => rejected);
  const others = await encode(pairs.map((row) => ({ ...row, pieces: row.rejected ?? null })));
  const rejectedIds = new Map(pairs.map((row, index) => [row, others[index]!.completionIds]));
  return chosen.map((row, index) => {
    const rejected = rejectedIds.get(rows[index]!);
    return rejected ? { ...row, rejectedIds: rejected } : row;
  });
}

/** The text of each token of the rows. */
export async function rowTexts(
  rows: readonly LearnedRow[],
  { tokenTexts }: Pick<Weights, 'tokenTexts'>,
): Promise<RowTexts[]> {
  const chosen = await tokenTexts(rows);
  const pairs = rows.filter(({ rejectedIds }) => rejectedIds);
  const others = await tokenTexts(
    pairs.map(({ promptIds, rejectedIds = [] }) => ({ promptIds, completionIds: rejectedIds })),
  );
  const rejected = new Map(pairs.map((row, index) => [row, others[index]!.slice(row.promptIds.length)]));
  return rows.map((row, index) => {
    const rejectedTexts = rejected.get(row);
    return { texts: chosen[index]!, ...(rejectedTexts ? { rejectedTexts } : {}) };
  });
}
