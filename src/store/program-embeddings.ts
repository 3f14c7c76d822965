import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Candidate } from '../core/candidate.ts';
import { type Embeddings, embeddingId, neededEmbeddings } from '../core/embedding.ts';
import { shortId, textId } from '../core/json.ts';
import { withFile, writePrivately } from '../system/files.ts';
import { requireContent } from './require-content.ts';
import { bytesOf, vectorOf } from './vector-bytes.ts';

/** The parts of a program that say what has to be known of its demos. */
interface Chooser {
  readonly predictors: Parameters<typeof neededEmbeddings>[0];
  readonly candidate: Candidate;
  readonly embeddings: Embeddings;
}

/**
 * Writes what the program knows of the demos among which it chooses, ids to vectors in base64, and returns the sha256 of the file; null when
 * there is nothing to write. What is missing there will be asked of the model.
 */
export function saveEmbeddings(program: Chooser, folder: string): string | null {
  const known = neededOf(program);
  if (known.size === 0) return null;
  const texts = [...known].map(([id, vector]) => [id, bytesOf(vector).toString('base64')]);
  const content = `${JSON.stringify(Object.fromEntries(texts))}\n`;
  const sha256 = textId(content);
  writePrivately(placeOf(sha256, folder), content);
  return sha256;
}

function neededOf({ predictors, candidate, embeddings }: Chooser): Embeddings {
  const ids = neededEmbeddings(predictors, candidate).map(({ base, text }) => embeddingId(base, text));
  return new Map(
    ids.flatMap((id): [string, Float32Array][] => {
      const vector = embeddings.get(id);
      return vector ? [[id, vector]] : [];
    }),
  );
}

/** Reads them back, from beside the program's file. */
export async function readEmbeddings(sha256: string, program: string): Promise<Embeddings> {
  const path = placeOf(sha256, dirname(program));
  await requireContent({ sha256, path }, { what: 'embeddings', program });
  // `as`: the content is what saveEmbeddings wrote.
  const texts = JSON.parse(withFile(path, () => readFileSync(path, 'utf8'))) as { readonly [id: string]: string };
  return new Map(Object.entries(texts).map(([id, text]) => [id, vectorOf(Buffer.from(text, 'base64'))]));
}

const placeOf = (sha256: string, folder: string): string => join(folder, `embeddings-${shortId(sha256)}.json`);
