import { InputError, WorldError } from '../../core/errors.ts';
import type { AdapterFile } from '../../core/lm.ts';
import { type ContextOptions, openContext, type WeightsContext } from './context.ts';
import type { LogLines } from './log-lines.ts';

// The base and one adapter, or two adapters: what a search switches between.
const mostOpen = 2;

/** The contexts of one model: one for each adapter in use, least recently used closed first. To be asked only while no row runs. */
export function createContexts(options: Omit<ContextOptions, 'adapter'>, log: LogLines) {
  const open = new Map<string, WeightsContext>();

  async function closeOldest(): Promise<void> {
    const [oldest] = open;
    if (!oldest || open.size < mostOpen) return;
    open.delete(oldest[0]);
    await oldest[1].dispose();
  }

  return {
    async get(adapter: AdapterFile | null): Promise<WeightsContext> {
      const key = adapter?.sha256 ?? '';
      if (!open.has(key)) await closeOldest();
      const context = open.get(key) ?? (await openLogged({ ...options, adapter }, log));
      open.delete(key);
      open.set(key, context);
      return context;
    },
  };
}

async function openLogged(options: ContextOptions, log: LogLines): Promise<WeightsContext> {
  try {
    return await openContext(options);
  } catch (cause) {
    const reason = `${cause instanceof Error ? cause.message : String(cause)}${await log.quoted()}`;
    const { adapter, layout } = options;
    if (adapter && reason.includes('LoRA'))
      throw new InputError(
        'adapter-not-loaded',
        [`The adapter "${adapter.path}" does not fit this model: ${reason}`],
        'Use it with the base model it was trained on.',
        { cause },
      );
    const { sequences, contextTokens } = layout;
    throw new WorldError(
      'context-not-opened',
      `${sequences} contexts of ${contextTokens} tokens could not be opened: ${reason}`,
      'Open the model with fewer sequences or fewer contextTokens.',
      { cause },
    );
  }
}
