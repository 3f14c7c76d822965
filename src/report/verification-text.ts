import { shortId } from '../core/json.ts';
import type { LmResponse } from '../core/lm.ts';
import type { CallDifference, Place, Verification } from '../core/verification.ts';

/** What came of a verification, for a terminal: the first call that differs with all that is known about it, then how many agree. */
export function verificationText(verification: Verification): string {
  const { run, calls, altered, first } = verification;
  const { crash, timeout } = calls.skipped;
  const skipped = crash + timeout;
  return [
    ...altered.map((thing) => `Not what its name, the hash of its content, says: ${thing}`),
    ...(first ? differenceLines(first, verification) : []),
    `Run ${shortId(run)}: ${calls.sampled - skipped} of its ${calls.stored} calls were asked again.`,
    ...(skipped > 0 ? [`Left out: ${crash} that crashed and ${timeout} that hung when they were first asked.`] : []),
    ...bytesLines(verification),
    ...answersLines(verification),
  ].join('\n');
}

function differenceLines(
  { call, position, predictor, candidate, prompt, difference, stored, now }: CallDifference,
  { run, calls }: Verification,
): string[] {
  const { field, token, piece } = difference;
  return [
    `Call ${position} of ${calls.stored} of run ${shortId(run)} has another answer now: ${call}`,
    `  predictor: ${predictor ?? 'unknown'}, candidate: ${candidate ? shortId(candidate) : 'unknown'}`,
    `  prompt:    ${JSON.stringify(prompt)}`,
    `  stored:    ${answerText(stored)}`,
    `  now:       ${answerText(now)}`,
    field === 'request'
      ? '  the stored request is not the one that was asked: the key, which is its hash, does not fit'
      : `  first differ in ${field}${placeText(', at token', token)}${placeText(', in piece', piece)}`,
    '',
  ];
}

const answerText = (response: LmResponse): string =>
  response.failure ? `${response.failure.kind}: ${response.failure.message}` : JSON.stringify(response.pieces.join(''));

const placeText = (what: string, place: Place | null): string =>
  place ? `${what} ${place.index}: ${valueText(place.stored)} stored, ${valueText(place.now)} now` : '';

const valueText = (value: Place['stored']): string => (value === null ? 'nothing' : JSON.stringify(value));

function bytesLines({ bytes: { compared, equal } }: Verification): string[] {
  if (compared === 0) return [];
  return [
    equal === compared
      ? `All ${compared} answers are equal, byte for byte.`
      : `${equal} of ${compared} answers are equal, byte for byte.`,
  ];
}

/** Of calls that need not repeat their bytes: why not, and how often they say the same nevertheless. */
function answersLines({ answers: { compared, equal }, ofOtherEngines, engines }: Verification): string[] {
  if (compared === 0) return [];
  const repeating = compared - ofOtherEngines;
  const differences = engines.flatMap((engine) => engine.differences);
  return [
    ...(ofOtherEngines > 0
      ? [
          `${ofOtherEngines} were made by another engine than this one, so their bytes are not compared.`,
          ...differences.map((text) => `  ${text}`),
        ]
      : []),
    ...(ofOtherEngines > 0 && differences.length === 0
      ? ['  That engine is not on record: a later start of the run, or another version of better-together.']
      : []),
    ...(repeating > 0
      ? [`${repeating} were made by an engine that does not repeat its bytes (reproducible: "replay").`]
      : []),
    `Of these ${compared}, ${equal} say the same (${((100 * equal) / compared).toFixed(1)} %).`,
  ];
}
