import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** SmolLM2-135M-Instruct, re-encoded as Q8_0: small, real, and what `npm run setup` makes. */
export const defaultModel = modelAt('SmolLM2-135M-Instruct.Q8_0.gguf');

function modelAt(name: string): string {
  const path = fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`There is no ${path}, which these tests need. Make it with: npm run setup`);
  return path;
}
