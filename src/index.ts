// The public names, one by one.

export { type ExperimentSpec, experiment } from './cli/experiment-file.ts';
export { type LoadedProgram, type LoadOptions, loadProgram } from './cli/load-program.ts';
export { type VerifyOptions, verifyRun } from './cli/verify-run.ts';
export { betterTogether, localModel, openaiCompatible, pythonTrainer, sqliteStore } from './cli/wiring.ts';
export { type AttemptOptions, bestOfN, type Reward } from './core/best-of-n.ts';
export {
  type CallOptions,
  chainOfThought,
  type Prediction,
  type PredictorOptions,
  type Program,
  predict,
  program,
} from './core/callable.ts';
export type {
  Calibration,
  Candidate,
  ChatFormatName,
  ChoiceRule,
  Decoding,
  Demo,
  ModelRef,
  PredictorState,
} from './core/candidate.ts';
export type { DataSet, DataSetSummary, TrainingRow } from './core/data-set.ts';
export { type EnsembleOptions, ensemble, majority } from './core/ensemble.ts';
export { BetterTogetherError, InputError, Interrupted, StepError, TooManyErrors, WorldError } from './core/errors.ts';
export type { LiveEvent, Progress, RunEvent } from './core/event.ts';
export { type Example, example } from './core/example.ts';
export { ExampleFailure, type Failure, type FailureKind } from './core/failure.ts';
export type { Fields, Json } from './core/json.ts';
export type { ChoiceOutcome, LanguageModel, LmRequest, LmResponse, Sampling, Weights } from './core/lm.ts';
export type { Evaluation, Metric, MetricResult, Row, Score } from './core/metric.ts';
export type { Notice } from './core/notice.ts';
export type { Optimized, Optimizer, OptimizerContext, Teacher, Trial } from './core/optimizer.ts';
export { refine } from './core/refine.ts';
export { type InputsOf, type OutputsOf, type Signature, signature } from './core/signature.ts';
export type { Store } from './core/store.ts';
export type { RunSummary, ScoreInterval } from './core/summary.ts';
export type { Call, Trace } from './core/trace.ts';
export type { Trainer } from './core/trainer.ts';
export type { Verification } from './core/verification.ts';
export { type EvaluateOptions, evaluate, type ProgramEvaluation } from './evaluate/evaluate-program.ts';
export { contains, exactMatch, f1, numericMatch } from './evaluate/metrics.ts';
export type { OpenaiCompatible, OpenaiCompatibleOptions } from './lm/openai-compatible/openai-compatible.ts';
export { bootstrapFewShot } from './optimize/bootstrap-few-shot.ts';
export { bootstrapFinetune } from './optimize/bootstrap-finetune.ts';
export { copro } from './optimize/copro/copro.ts';
export { defineOptimizer } from './optimize/define.ts';
export { gepa } from './optimize/gepa/gepa.ts';
export { inferRules } from './optimize/infer-rules.ts';
export { knnFewShot } from './optimize/knn-few-shot.ts';
export { labeledFewShot } from './optimize/labeled-few-shot.ts';
export { miproV2 } from './optimize/mipro/mipro-v2.ts';
export { bootstrapFewShotWithRandomSearch } from './optimize/random-search/random-search.ts';
export { simba } from './optimize/simba/simba.ts';
export type { BetterTogether, Run } from './run/better-together.ts';
export type { CompileOptions, StepArguments } from './run/compile-options.ts';
export type { RunSettings } from './run/experiment.ts';
