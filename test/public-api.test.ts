import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import * as api from '../src/index.ts';

const root = resolve(import.meta.dirname, '..');
const folder = join(root, 'node_modules', `.public-api-${process.pid}`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// The public names. A change here is a decision: it goes into the CHANGELOG.
const values = [
  'BetterTogetherError',
  'ExampleFailure',
  'InputError',
  'Interrupted',
  'StepError',
  'TooManyErrors',
  'WorldError',
  'bestOfN',
  'betterTogether',
  'bootstrapFewShot',
  'bootstrapFewShotWithRandomSearch',
  'bootstrapFinetune',
  'chainOfThought',
  'contains',
  'copro',
  'defineOptimizer',
  'ensemble',
  'evaluate',
  'exactMatch',
  'example',
  'experiment',
  'f1',
  'gepa',
  'inferRules',
  'knnFewShot',
  'labeledFewShot',
  'loadProgram',
  'localModel',
  'majority',
  'miproV2',
  'numericMatch',
  'openaiCompatible',
  'predict',
  'program',
  'pythonTrainer',
  'refine',
  'signature',
  'simba',
  'sqliteStore',
  'verifyRun',
];
const types = [
  'AttemptOptions',
  'BetterTogether',
  'Calibration',
  'Call',
  'CallOptions',
  'Candidate',
  'ChatFormatName',
  'ChoiceOutcome',
  'ChoiceRule',
  'CompileOptions',
  'DataSet',
  'DataSetSummary',
  'Decoding',
  'Demo',
  'EnsembleOptions',
  'EvaluateOptions',
  'Evaluation',
  'Example',
  'ExperimentSpec',
  'Failure',
  'FailureKind',
  'Fields',
  'InputsOf',
  'Json',
  'LanguageModel',
  'LiveEvent',
  'LmRequest',
  'LmResponse',
  'LoadOptions',
  'LoadedProgram',
  'Metric',
  'MetricResult',
  'ModelRef',
  'Notice',
  'OpenaiCompatible',
  'OpenaiCompatibleOptions',
  'Optimized',
  'Optimizer',
  'OptimizerContext',
  'OutputsOf',
  'Prediction',
  'PredictorOptions',
  'PredictorState',
  'Program',
  'ProgramEvaluation',
  'Progress',
  'Reward',
  'Row',
  'Run',
  'RunEvent',
  'RunSettings',
  'RunSummary',
  'Sampling',
  'Score',
  'ScoreInterval',
  'Signature',
  'StepArguments',
  'Store',
  'Teacher',
  'Trace',
  'Trainer',
  'TrainingRow',
  'Trial',
  'Verification',
  'VerifyOptions',
  'Weights',
];

test('the values of the package are these', () => {
  expect(Object.keys(api).sort()).toEqual(values);
});

test('the names of the package, types included, are these', () => {
  const source = readFileSync(join(root, 'src/index.ts'), 'utf8');
  const lists = [...source.matchAll(/export (type )?\{([^}]*)\}/g)];
  const names = lists.flatMap(([, , list]) => list!.split(',').map((name) => name.trim().replace(/^type /, '')));
  expect(names.filter((name) => name !== '').sort()).toEqual([...values, ...types].sort());
});

test('importing the package prints nothing, starts nothing and leaves nothing behind', async () => {
  const work = join(folder, 'work');
  mkdirSync(work, { recursive: true });
  // Two folders below the package's root, which src/system/folders.ts looks for from where it lies.
  const outfile = join(folder, 'index.mjs');
  await build({
    entryPoints: [join(root, 'src/index.ts')],
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outfile,
    logLevel: 'silent',
  });
  // What is open afterwards, beside the streams of the process itself: a timer, a socket, a child, a worker would stand here.
  const program = `
    await import(${JSON.stringify(pathToFileURL(outfile).href)});
    await new Promise((resolve) => setImmediate(resolve));
    const open = process.getActiveResourcesInfo().filter((name) => !['PipeWrap', 'CloseReq', 'Immediate'].includes(name));
    if (open.length > 0) console.log(open);
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: work,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect({ status, stdout, stderr, files: readdirSync(work) }).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
    files: [],
  });
});
