import { WorldError } from '../../core/errors.ts';
import type { AdapterFile, LanguageModel, Weights } from '../../core/lm.ts';

export interface MergedModels {
  readonly open: Weights['openMerged'];
  release(): Promise<void>;
}

/** The files that hold one base with an adapter merged into it: each is opened once, and all are released together. */
export function mergedModels(openFile: (path: string) => Promise<LanguageModel>): MergedModels {
  const opened = new Map<string, Promise<LanguageModel>>();

  async function openChecked({ sha256, path }: AdapterFile): Promise<LanguageModel> {
    const model = await openFile(path);
    if (model.base.sha256 === sha256) return model;
    throw new WorldError(
      'merged-changed',
      `The merged model "${path}" has the sha256 ${model.base.sha256}, not ${sha256}.`,
      'Put the file back, or remove it and run again: it is merged once more.',
    );
  }

  return {
    open(file) {
      const key = `${file.sha256} ${file.path}`;
      const model = opened.get(key) ?? openChecked(file);
      opened.set(key, model);
      model.catch(() => opened.delete(key));
      return model;
    },
    async release() {
      for (const model of opened.values()) await (await model).release();
    },
  };
}
