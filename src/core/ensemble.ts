import { callable, type Program } from './callable.ts';
import { InputError } from './errors.ts';
import { canonicalJson, type Fields, type Json } from './json.ts';
import type { Structure } from './program.ts';
import { seededRng } from './rng.ts';

export interface EnsembleOptions<O> {
  /** Members that are asked at each call, drawn anew for each input; equal inputs are given to the same ones. Default: all. */
  readonly size?: number;
  /** Makes one answer of the members' answers, which are in the order of the members; those of members that failed are not among them. */
  reduce?(outputs: readonly O[]): O | Promise<O>;
  readonly seed?: number;
}

/**
 * Several programs as one that answers what most of them do (DSPy's Ensemble). It is a program like any other, whose predictors are those of
 * its members, named `programs[0].predict`: so `evaluate()` scores it, too. Members are asked one after the other; one that fails has no
 * vote, and when all fail the last failure is thrown.
 */
export function ensemble<I, O>(programs: readonly Program<I, O>[], options: EnsembleOptions<O> = {}): Program<I, O> {
  const { size = programs.length, reduce = majority, seed = 0 } = options;
  checkSize(size, programs.length);
  const structures = programs.map(({ structure }) => structure);
  if (structures.some(({ strategy }) => strategy !== undefined))
    throw new InputError(
      'ensemble-member',
      ['A member of an ensemble is run once, and one of these is made of several attempts.'],
      'Make the attempts outside: bestOfN(ensemble(programs), options).',
    );
  const membersFor = (inputs: Fields): readonly number[] =>
    // The order of the programs: it decides ties.
    seededRng(seed)
      .fork(canonicalJson(inputs))
      .sample([...programs.keys()], size)
      .toSorted((a, b) => a - b);
  const run: Structure['run'] = async (inputs, call) => {
    const outputs: Fields[] = [];
    let failure: unknown;
    // One after the other: the order of a trace never depends on how fast a member is answered.
    for (const member of membersFor(inputs)) {
      try {
        outputs.push(await structures[member]!.run(inputs, (name, given) => call(nameIn(member, name), given)));
      } catch (error) {
        // A broken world may be among these: whoever runs a program throws it whatever the program makes of it.
        failure = error;
      }
    }
    if (outputs.length === 0) throw failure;
    // `as`: the types that a structure erases; these are outputs of the members' own.
    return (await reduce(outputs as readonly unknown[] as readonly O[])) as Fields;
  };
  return assembled(programs, run);
}

/** The answer that most give, or whose `field` most agree on; ties to the earlier. What counts is canonical JSON. */
export function majority<O>(outputs: readonly O[], field?: keyof O & string): O {
  // `as`: outputs of programs are JSON.
  const ballots = outputs.map((output) => canonicalJson((field === undefined ? output : output[field]) as Json));
  const votes = ballots.map((ballot) => ballots.filter((other) => other === ballot).length);
  return outputs[votes.indexOf(Math.max(...votes))]!;
}

const nameIn = (member: number, predictor: string): string => `programs[${member}].${predictor}`;

function checkSize(size: number, programs: number): void {
  const isPossible = Number.isInteger(size) && size >= 1 && size <= programs;
  if (isPossible) return;
  const mistake =
    programs === 0 ? 'There are no programs.' : `An ensemble of ${size} cannot be drawn from ${programs} programs.`;
  throw new InputError('ensemble-size', [mistake], 'Give at least one program, and a size from 1 to their number.');
}

/** One program with the predictors, models and adapters of all. */
function assembled<I, O>(programs: readonly Program<I, O>[], run: Structure['run']): Program<I, O> {
  const renamed = <T>(partOf: (member: Program<I, O>) => { readonly [predictor: string]: T }) =>
    Object.fromEntries(
      programs.flatMap((member, index) =>
        Object.entries(partOf(member)).map(([name, part]): [string, T] => [nameIn(index, name), part]),
      ),
    );
  return callable({
    structure: { predictors: renamed(({ structure }) => structure.predictors), run },
    drafts: renamed(({ drafts }) => drafts),
    models: new Map(programs.flatMap(({ models }) => [...models])),
    adapters: new Map(programs.flatMap(({ adapters }) => [...adapters])),
    embeddings: new Map(programs.flatMap(({ embeddings }) => [...embeddings])),
  });
}
