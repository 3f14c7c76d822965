import { InputError } from '../core/errors.ts';
import type { PythonEnvironment } from './python-environment.ts';

export type Device = 'cpu' | 'cuda' | 'metal';

/** The device to train on. `auto` takes the best that is usable; an explicit choice is refused when it is not usable, never replaced. */
export function chooseDevice(wanted: Device | 'auto', environment: PythonEnvironment): Device {
  const { cuda, metal } = environment;
  if (wanted === 'auto') return cuda.usable ? 'cuda' : metal.usable ? 'metal' : 'cpu';
  const problem = { cpu: null, cuda: cudaProblem(environment), metal: metalProblem(environment) }[wanted];
  if (problem === null) return wanted;
  throw new InputError(
    'device-not-usable',
    [`Training on ${wanted} is not possible here: ${problem}.`],
    'Name another device, or `auto`. `better-together doctor` shows what this machine has.',
  );
}

/** What CUDA training lacks on this machine; null when nothing. */
export function cudaProblem({ cuda }: PythonEnvironment): string | null {
  if (cuda.usable) return null;
  if (cuda.torchBuild === null) return 'the installed torch was built without CUDA';
  if (cuda.driver === null) return 'there is no NVIDIA driver';
  if (cuda.devices === 0) return 'the NVIDIA driver finds no GPU';
  return `the NVIDIA driver (CUDA ${cuda.driver}) is older than what torch was built for (CUDA ${cuda.torchBuild})`;
}

const metalProblem = ({ metal }: PythonEnvironment): string | null =>
  metal.usable ? null : 'Metal needs a Mac with Apple silicon';
