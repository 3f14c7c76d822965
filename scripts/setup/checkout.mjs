import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A path in the checkout. */
export const inCheckout = (...parts) => join(root, ...parts);

/** A file's content; null when there is no such file. */
export function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  }
}

/** The stamp of a part: the hash of all it is made from, written beside it when it is finished. */
export const stampOf = (...inputs) => createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
