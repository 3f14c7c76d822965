import { StepError } from '../core/errors.ts';
import type { AdapterFile, BaseModel, Probe, TokenRow, Weights } from '../core/lm.ts';
import type { RescoredRow, RowParity } from '../core/trainer.ts';
import { isQuantized } from './gates.ts';

// Each takes a distribution over the whole vocabulary across from the host; an answer with a label has three or four.
const tokensOfRow = 16;

/**
 * An adapter is good with the prompt that it was trained with. So rows that were trained on are rendered again, by what serves, and their
 * answers scored by the runtime with the adapter: other ids are another template, other scores another adapter.
 */
export async function rescoreRows(
  rescored: readonly RescoredRow[],
  render: (rows: readonly number[]) => Promise<readonly TokenRow[]>,
  weights: Pick<Weights, 'logProbabilities'>,
  adapter: AdapterFile,
): Promise<RowParity> {
  if (rescored.length === 0) throw refusal('the trainer says nothing of the rows that it trained on', '');
  const served = await render(rescored.map(({ row }) => row));
  for (const [index, row] of rescored.entries()) requireSameIds(row, served[index]!);
  const probes = served.map(probeOf);
  const distributions = await weights.logProbabilities(probes, adapter);
  const differences = rescored
    .flatMap(({ completionIds, logProbabilities }) =>
      completionIds.slice(0, tokensOfRow).map((token, index) => ({ token, trainer: logProbabilities[index]! })),
    )
    .map(({ token, trainer }, place) => Math.abs(distributions[place]![token]! - trainer));
  return {
    rows: rescored.length,
    tokens: differences.length,
    meanDifference: rounded(differences.reduce((sum, difference) => sum + difference, 0) / differences.length),
    worstDifference: rounded(Math.max(...differences)),
  };
}

// Five digits: what is left varies with nothing that matters, and the figure is part of an event.
const rounded = (value: number): number => Number(value.toPrecision(5));

/** The places after which the tokens of a completion come. */
function probeOf({ promptIds, completionIds }: TokenRow): Probe {
  const scored = completionIds.slice(0, tokensOfRow);
  const ids = [...promptIds, ...scored.slice(0, -1)];
  return { ids, positions: scored.map((_, index) => promptIds.length - 1 + index) };
}

function requireSameIds(trained: RescoredRow, served: TokenRow): void {
  const ours = [...served.promptIds, ...served.completionIds];
  const theirs = [...trained.promptIds, ...trained.completionIds];
  const place = ours.findIndex((id, index) => id !== theirs[index]);
  const isSame = place === -1 && ours.length === theirs.length;
  if (isSame && served.promptIds.length === trained.promptIds.length) return;
  const where = isSame
    ? `its answer begins at token ${trained.promptIds.length} in training and at ${served.promptIds.length} when served`
    : `they differ from token ${place === -1 ? ours.length : place} on`;
  throw refusal(
    `row ${trained.row + 1} has ${theirs.length} tokens in training and ${ours.length} when served, and ${where}`,
    'The adapter was trained with another chat template or tokenizer than the one that serves. ',
  );
}

/**
 * Nats between runtime and trainer for a token, on average, that a right adapter stays under: 0.002 on F16 and 0.06 on files of four bits,
 * while a fault in it makes 0.15 and more (docs/weights.md).
 */
export const rowBound = (base: Pick<BaseModel, 'fileType'>): number => (isQuantized(base) ? 0.2 : 0.05);

export function requireRowParity(parity: RowParity, base: BaseModel): void {
  const bound = rowBound(base);
  if (parity.meanDifference <= bound) return;
  const { rows, tokens, meanDifference } = parity;
  throw refusal(
    `on ${tokens} tokens of ${rows} rows that were trained on, runtime and trainer are ${meanDifference} nats apart on average, and at most ${bound} is right for a ${base.fileType} file`,
    'What is served is not what was trained. ',
  );
}

const refusal = (fact: string, cause: string): StepError =>
  new StepError(
    'gate-rows',
    `The rows gate refused the trained adapter: ${fact}.`,
    `${cause}Train again with this version of better-together and a trainer that takes the token ids as they are given.`,
  );
