/** A variable of this process's environment; one that is set to nothing counts as not set. */
export const environmentVariable = (name: string): string | undefined => process.env[name] || undefined;

/** What a child process gets on top of our environment, so that no library in it looks for a network. */
export function offlineEnvironment(): Readonly<Record<string, string>> {
  return {
    HF_HUB_OFFLINE: '1',
    HF_DATASETS_OFFLINE: '1',
    TRANSFORMERS_OFFLINE: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    DO_NOT_TRACK: '1',
    WANDB_MODE: 'disabled',
    UV_OFFLINE: '1',
    NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true',
    // Without this the library warns, on every start, about threads that it does not get to use.
    TOKENIZERS_PARALLELISM: 'false',
  };
}
