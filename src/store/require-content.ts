import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../core/errors.ts';
import { sha256OfFile } from '../system/files.ts';

/** Throws unless the file beside a program is there, and is the one that was saved with it. */
export async function requireContent(
  { sha256, path }: { readonly sha256: string; readonly path: string },
  { what, program }: { readonly what: 'adapter' | 'embeddings'; readonly program: string },
): Promise<void> {
  const hint = `Copy the whole folder ${dirname(program)} again: the program and the files beside it belong together.`;
  if (!existsSync(path))
    throw new InputError(`${what}-missing`, [`${program} needs the ${what} ${path}, which is not there.`], hint);
  const found = await sha256OfFile(path);
  if (found !== sha256)
    throw new InputError(
      `${what}-changed`,
      [`${path} has sha256 ${found}, but the program was saved with ${sha256}.`],
      hint,
    );
}
