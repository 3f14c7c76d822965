import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { InputError } from '../core/errors.ts';
import { pageBeginning } from '../report/html/page.ts';
import { writePrivately } from '../system/files.ts';

/** Writes a page for this user only. An earlier page of ours is replaced; any other file is left as it is. */
export function writePage(file: string, page: string): void {
  if (existsSync(file) && !isOurs(file))
    throw new InputError(
      'file-exists',
      [`${file} is there already and is no report of better-together; it is left as it is.`],
      'Name another file.',
    );
  writePrivately(file, page);
}

function isOurs(file: string): boolean {
  const beginning = Buffer.from(pageBeginning);
  const found = Buffer.alloc(beginning.length);
  const opened = openSync(file, 'r');
  try {
    return readSync(opened, found) === beginning.length && found.equals(beginning);
  } finally {
    closeSync(opened);
  }
}
