import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** The hash of all that something is made from. */
export const stampOf = (...inputs: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(inputs)).digest('hex');

/** Whether something was finished from these inputs. */
export const hasStamp = (file: string, stamp: string): boolean =>
  existsSync(file) && readFileSync(file, 'utf8') === stamp;

/** The last act of making something: without it, the next set-up makes it anew. */
export const writeStamp = (file: string, stamp: string): void => writeFileSync(file, stamp);
