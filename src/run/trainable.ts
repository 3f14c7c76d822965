import { type Candidate, modelsOf } from '../core/candidate.ts';
import { embeddingsOutOfReach } from '../core/embedding.ts';
import { InputError } from '../core/errors.ts';
import type { LanguageModel, Weights } from '../core/lm.ts';
import type { Notice } from '../core/notice.ts';
import type { Optimizer } from '../core/optimizer.ts';

export type Trainable = LanguageModel & { readonly weights: Weights };

export const isTrainable = (model: LanguageModel): model is Trainable => model.weights !== null;

/**
 * What the user should know about models whose weights are out of reach: of these everything is known before they are asked, while a local
 * one has its notices once it is open.
 */
export function noticesOfEndpoints(models: Iterable<LanguageModel>): Notice[] {
  return [...models].flatMap((model) => {
    if (isTrainable(model)) return [];
    const message = `The tokens of "${model.base.name}" cannot be counted from here: how many demos fit is decided with an estimate, one token for three bytes.`;
    return [...model.notices, { code: 'tokens-estimated', message }];
  });
}

/** Refuses weight steps on models whose weights are out of reach, by name and before anything runs. */
export function requireTrainable(
  strategy: readonly string[],
  optimizers: { readonly [key: string]: Optimizer },
  initial: Candidate,
  models: ReadonlyMap<string, LanguageModel>,
): void {
  const weightSteps = [...new Set(strategy.filter((key) => optimizers[key]?.kind === 'weights'))];
  if (weightSteps.length === 0) return;
  const steps = `the ${weightSteps.length === 1 ? 'step' : 'steps'} ${weightSteps.map((key) => `"${key}"`).join(', ')}`;
  const mistakes = modelsOf(initial).flatMap(({ base }) => {
    const model = models.get(base);
    return model && !isTrainable(model)
      ? [`The model "${model.base.name}" at ${model.base.path} answers, but ${steps} would train its weights.`]
      : [];
  });
  if (mistakes.length === 0) return;
  throw new InputError(
    'weights-out-of-reach',
    mistakes,
    'Search its prompts only (strategy "p"), or train a GGUF file and use this model as its teacher.',
  );
}

/** Refuses steps that choose demos by likeness on models that give no embeddings, and programs that do so already. */
export function requireEmbeddings(
  strategy: readonly string[],
  optimizers: { readonly [key: string]: Optimizer },
  initial: Candidate,
  models: ReadonlyMap<string, LanguageModel>,
): void {
  const steps = [...new Set(strategy.filter((key) => optimizers[key]?.needsEmbeddings))];
  const needing = Object.values(initial.predictors).filter(({ nearest }) => steps.length > 0 || nearest !== undefined);
  const bases = new Set(needing.map(({ model }) => model.base));
  const what =
    steps.length > 0 ? `what ${steps.map((key) => `"${key}"`).join(', ')} does` : "the program's choice of demos";
  const mistakes = [...bases].flatMap((base) => {
    const model = models.get(base);
    return model && !isTrainable(model)
      ? [`The model "${model.base.name}" at ${model.base.path} answers, but ${what} needs its embeddings.`]
      : [];
  });
  if (mistakes.length > 0) throw embeddingsOutOfReach(mistakes);
}
