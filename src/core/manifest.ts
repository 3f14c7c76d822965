import type { SplitName } from './example.ts';
import type { Json } from './json.ts';
import type { BaseModel, Engine } from './lm.ts';

/** The state of the folder that an experiment lies in, where it is under git. */
export interface GitState {
  readonly commit: string;
  /** What differs from the commit: files as `git status` lists them, and the changes of tracked ones. */
  readonly changed: readonly string[];
  /** Null where it is longer than 100,000 characters; the hash is there in any case. */
  readonly diff: string | null;
  readonly diffSha256: string;
}

/** Where a run was made. */
export interface Surroundings {
  readonly git: GitState | null;
  readonly hardware: {
    readonly system: string;
    readonly processor: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly node: string;
  };
  /** sha256 of the lock file of the trainer's Python environment. */
  readonly pythonLock: string;
}

export interface ManifestModel extends Pick<BaseModel, 'sha256' | 'name' | 'architecture' | 'parameters' | 'fileType'> {
  /** What its chat template makes of a fixed conversation; null where it is out of reach. */
  readonly chatTemplate: string | null;
  readonly engine: Engine;
}

/** A trained adapter: what it was trained on, and the adapter that its step began with. */
export interface ManifestAdapter {
  readonly sha256: string;
  readonly step: number;
  readonly dataSet: string | null;
  readonly parent: string | null;
}

/** All that is needed to say where a result comes from, and to make it again; scores, calls, tokens and time stand beside it. */
export interface Manifest {
  readonly version: string;
  /** What the user wrote, such as the words of the command line; null where the run was started in code. */
  readonly given: Json;
  /** What came of it with all defaults: the run's id is its hash. */
  readonly effective: Json;
  readonly data: { readonly [split in SplitName]: { readonly rows: number; readonly sha256: string } };
  readonly models: readonly ManifestModel[];
  readonly adapters: readonly ManifestAdapter[];
  /** The run's, from which all others are drawn by name; and one for each step. */
  readonly seeds: { readonly run: number; readonly streams: readonly string[] };
  /** Null where a library user gave no way to look. */
  readonly surroundings: Surroundings | null;
}
