import { stat } from 'node:fs/promises';
import { sha256OfFile } from '../../system/files.ts';

// In memory only: a digest on disk would outlive a file that is replaced with its times preserved.
const digests = new Map<string, Promise<string>>();

/** Hexadecimal sha256 of a file's content; read again only when size or time of change differ. */
export async function fileDigest(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path}\0${size}\0${mtimeMs}`;
  const digest = digests.get(key) ?? sha256OfFile(path);
  digests.set(key, digest);
  digest.catch(() => digests.delete(key));
  return digest;
}
