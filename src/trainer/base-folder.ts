import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../core/errors.ts';
import { contentId } from '../core/json.ts';
import { sha256OfFile, withFile } from '../system/files.ts';

/** A Hugging Face folder with the weights that a GGUF file was made from; `sha256` is the hash of what is read of it. */
export interface BaseFolder {
  readonly path: string;
  readonly sha256: string;
}

/** Names a folder by its content: settings, weights and tokens. Whether it holds the right model is checked by the import. */
export async function readBaseFolder(path: string): Promise<BaseFolder> {
  const names = existsSync(join(path, 'config.json')) ? withFile(path, () => readdirSync(path)) : [];
  const read = names.filter((name) => /^(config|tokenizer)\.json$|\.safetensors$/.test(name)).toSorted();
  if (!read.some((name) => name.endsWith('.safetensors'))) {
    throw new InputError(
      'base-folder-invalid',
      [`There is no Hugging Face model with config.json and *.safetensors files in the folder "${path}".`],
      "Name the folder that the GGUF file was made from, or none: then the file's own weights are trained on.",
    );
  }
  const hashes: [string, string][] = [];
  for (const name of read) hashes.push([name, await sha256OfFile(join(path, name))]);
  return { path, sha256: contentId(hashes) };
}
