import { InvalidArgumentError } from 'commander';
import { InputError } from '../core/errors.ts';
import type { Optimizer } from '../core/optimizer.ts';
import { optimizersByName } from './wiring.ts';

/** `--optimizer p=labeledFewShot --set p.k=8` on top of the defaults. */
export function readOptimizers(
  defaults: { readonly [key: string]: Optimizer },
  chosen: readonly string[],
  settings: readonly string[],
): { readonly [key: string]: Optimizer } {
  const optimizers = { ...defaults };
  for (const text of chosen) {
    const [key, name] = divided(text, '=', '--optimizer', 'p=labeledFewShot');
    const create = Object.hasOwn(optimizersByName, name) ? optimizersByName[name] : undefined;
    if (!create)
      throw new InputError(
        'optimizer-unknown',
        [`There is no optimizer "${name}".`],
        `Known: ${Object.keys(optimizersByName).join(', ')}.`,
      );
    optimizers[key] = create();
  }
  for (const [key, changes] of readSettings(settings)) {
    const optimizer = Object.hasOwn(optimizers, key) ? optimizers[key] : undefined;
    if (!optimizer)
      throw new InputError(
        'set-unknown-key',
        [`--set names "${key}", which is not the key of an optimizer.`],
        `Keys: ${Object.keys(optimizers).join(', ')}.`,
      );
    optimizers[key] = optimizer.with(changes);
  }
  return optimizers;
}

function readSettings(settings: readonly string[]): Map<string, { [parameter: string]: unknown }> {
  const byKey = new Map<string, { [parameter: string]: unknown }>();
  for (const text of settings) {
    const [path, value] = divided(text, '=', '--set', 'p.numCandidatePrograms=6');
    const [key, parameter] = divided(path, '.', '--set', 'p.numCandidatePrograms=6');
    byKey.set(key, { ...byKey.get(key), [parameter]: parsedValue(value) });
  }
  return byKey;
}

function divided(text: string, separator: string, flag: string, sample: string): [string, string] {
  const at = text.indexOf(separator);
  if (at > 0 && at < text.length - 1) return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  throw new InputError('flag-syntax', [`${flag} "${text}" is not understood.`], `Write for example ${flag} ${sample}.`);
}

/** JSON where it is JSON (numbers, booleans, lists), a word otherwise. */
function parsedValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A whole number within bounds, or a mistake that names the flag. */
export function wholeNumber(flag: string, least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least && text.trim() !== '') return value;
    throw new InputError(
      'flag-type',
      [`${flag} is "${text}"; it is a whole number of at least ${least}.`],
      `For example ${flag} ${Math.max(least, 1)}.`,
    );
  };
}

/** A number from `least` up to `most`, this one included or not. */
interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly mostIncluded: boolean;
  readonly sample: number;
}

export function numberWithin(flag: string, bounds: Bounds): (text: string) => number {
  const { least, most, mostIncluded, sample } = bounds;
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && (mostIncluded ? value <= most : value < most)) return value;
    throw new InputError(
      'flag-type',
      [
        `${flag} is "${text}"; it is a number of at least ${least} and ${mostIncluded ? 'at most' : 'less than'} ${most}.`,
      ],
      `For example ${flag} ${sample}.`,
    );
  };
}

export function positiveNumber(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
    throw new InputError('flag-type', [`${flag} is "${text}"; it is a number above 0.`], `For example ${flag} 2.5.`);
  };
}

export const fraction = (flag: string): ((text: string) => number) =>
  numberWithin(flag, { least: 0, most: 1, mostIncluded: false, sample: 0.2 });

/** Commander reports what a parser throws as a mistake of that flag. */
export function typed<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof InputError ? new InvalidArgumentError(`${error.message} ${error.hint}`) : error;
    }
  };
}

/** Gathers a flag that may be given several times. */
export const gathered = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
