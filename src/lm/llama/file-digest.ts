import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

// In memory only: a digest on disk would outlive a file that is replaced with its times preserved.
const digests = new Map<string, Promise<string>>();

/** Hexadecimal sha256 of a file's content; read again only when size or time of change differ. */
export async function sha256OfFile(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  const key = `${path}\0${size}\0${mtimeMs}`;
  const digest = digests.get(key) ?? digestOf(path);
  digests.set(key, digest);
  digest.catch(() => digests.delete(key));
  return digest;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest('hex');
}
