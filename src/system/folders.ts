import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import envPaths from 'env-paths';

// src/system/folders.ts and dist/system/folders.js lie equally deep.
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/** A checkout keeps everything to itself; an installed package uses the user's cache folder. */
const isCheckout = (): boolean => existsSync(join(packageRoot, '.git')) || existsSync(join(packageRoot, 'src'));

const cacheFolder = (): string =>
  isCheckout() ? join(packageRoot, '.better-together') : envPaths('better-together', { suffix: '' }).cache;

/** Where set-up makes the trainer's Python environment. */
export const pythonFolder = (): string =>
  isCheckout() ? join(packageRoot, 'python-trainer', '.venv') : join(cacheFolder(), 'python');

/** The Python program of that environment. */
export const pythonProgram = (): string =>
  process.platform === 'win32' ? join(pythonFolder(), 'Scripts', 'python.exe') : join(pythonFolder(), 'bin', 'python');

/** Where set-up puts model files. */
export const modelsFolder = (): string => (isCheckout() ? join(packageRoot, 'models') : join(cacheFolder(), 'models'));

/** The folder that holds the Python package `better_together_trainer`. */
export const trainerSource = (): string => join(packageRoot, 'python-trainer');

/** What that environment is made from: every package with its hash. */
export const pythonLockFile = (): string => join(trainerSource(), 'requirements.lock');

/** Base models in the form that the trainer reads; all of it can be made again. */
export const importsFolder = (): string => join(cacheFolder(), 'imports');

/** Where the command line keeps its runs: beside the work, in the current folder. */
export const defaultStorePath = (): string => join('.better-together', 'runs.sqlite');

/** Data that comes with the package. */
export const dataFolder = (): string => join(packageRoot, 'data');

/** The version of this package: part of every run's identity. */
export function packageVersion(): string {
  // `as`: npm does not install a package without a version.
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { readonly version: string }).version;
}
