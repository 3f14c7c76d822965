import { type Candidate, candidateId, type ModelRef } from '../core/candidate.ts';
import { StepError } from '../core/errors.ts';
import type { Example } from '../core/example.ts';
import type { OptimizerContext } from '../core/optimizer.ts';
import type { Rng } from '../core/rng.ts';
import { estimateTokens } from '../core/token-estimate.ts';
import type { TrainingProgress } from '../core/trainer.ts';
import { type Measurement, measure, measureAll } from './measure.ts';
import { mergeAdapter } from './merge-step.ts';
import { askPromptModel, promptModelOf } from './prompt-model.ts';
import { sealedRows } from './sealed-rows.ts';
import { isTrainable } from './trainable.ts';
import { trainAdapter } from './weight-step.ts';
import type { World } from './world.ts';

/** What the optimizer of one step sees of the run. */
export function contextFor(
  world: World,
  step: number,
  key: string,
  shuffled: readonly Example[],
  rng: Rng,
): OptimizerContext {
  const { experiment, ports, memory, budget, recorder } = world;
  const overrides = experiment.overrides[key] ?? {};
  const train = overrides.train ?? shuffled;
  const val = overrides.val ?? experiment.splits.val;
  const valIds = new Set(val.map(({ id }) => id));
  const model = (base: string) => {
    const found = world.hosts.models.get(base);
    if (!found) throw new TypeError(`No model ${base} was given to this run`);
    return found;
  };
  const promptModel = promptModelOf(experiment, key);
  const sealed = sealedRows(experiment, key);
  let label = 'candidate';
  const measurement = (candidate: Candidate, examples: readonly Example[]): Measurement => {
    const split = examples.length > 0 && examples.every(({ id }) => valIds.has(id)) ? 'val' : 'train';
    return { step, what: split === 'val' ? label : 'train examples', split, candidate, examples };
  };
  return {
    structure: experiment.structure,
    train,
    val,
    teachers: overrides.teachers ?? experiment.teachers,
    promptModel,
    rng,
    signal: ports.signal,
    callsLeft: budget.callsLeft,
    evaluate: (candidate, examples, options) => measure(world, measurement(candidate, examples), options),
    evaluateAll: (candidates, examples, options) =>
      measureAll(
        world,
        candidates.map((candidate) => measurement(candidate, examples)),
        options,
      ),
    async ask(question, inputs, options) {
      budget.begin(0);
      return budget.question(() => askPromptModel(promptModel, memory.answer, question, inputs, options));
    },
    propose(candidate, parents, note) {
      sealed.requireDemos(candidate);
      label = note;
      recorder.record({
        type: 'candidate-proposed',
        step,
        id: candidateId(candidate),
        candidate,
        parents: parents.map(candidateId),
        note,
      });
    },
    async countTokens(base, rows) {
      const { weights } = model(base);
      if (!weights) return rows.map(estimateTokens);
      const encoded = await weights.encode(rows);
      return encoded.map(({ promptIds, completionIds }) => promptIds.length + completionIds.length);
    },
    embed: world.embed,
    base(sha256) {
      const { base, weights } = model(sha256);
      return { parameters: base.parameters, layers: base.layers, givesProbabilities: weights !== null };
    },
    contextTokens: async (base) => (await world.hosts.engineOf(base)).contextTokens,
    async fit(order) {
      if (!ports.trainer)
        throw new StepError(
          'no-trainer',
          'This run has no trainer.',
          'Give one: trainer: pythonTrainer(), or leave out the weight steps.',
        );
      sealed.requireTrainingRows(order.rows);
      budget.requireTime();
      const trainable = model(order.base);
      if (!isTrainable(trainable)) throw new TypeError(`The weights of ${trainable.base.path} are out of reach`);
      await world.hosts.engineOf(order.base);
      const weightStep = {
        store: ports.store,
        trainer: ports.trainer,
        model: trainable,
        releaseModels: world.hosts.release,
        step,
        signal: ports.signal,
        record: recorder.record,
        onPhase: (phase: string) => ports.show({ type: 'progress', progress: { type: 'phase', phase } }),
        onProgress: (progress: TrainingProgress) =>
          ports.show({ type: 'progress', progress: { type: 'training', ...progress } }),
      };
      const adapter = await trainAdapter(order, weightStep);
      const weights: ModelRef = { base: order.base, adapter };
      if (order.merge === null) return weights;
      return { ...weights, merged: await mergeAdapter(adapter, order.merge, order, weightStep) };
    },
    notice: (notice) => recorder.record({ type: 'notice', notice }),
  };
}
