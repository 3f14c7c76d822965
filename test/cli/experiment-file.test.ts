import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { experiment, loadExperiment } from '../../src/cli/experiment-file.ts';
import { InputError } from '../../src/core/errors.ts';

const root = resolve(import.meta.dirname, '../..');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'experiment-file-'));
  // As in a project of one's own: packages lie beside the experiment.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
});
afterEach(() => rmSync(folder, { recursive: true }));

const written = (name: string, ...lines: readonly string[]): string => {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
};

const plain = (name = 'experiment.ts'): string =>
  written(
    name,
    "import { z } from 'zod';",
    "import { team } from './labels.ts';",
    `import { predict } from '${root}/src/core/callable.ts';`,
    `import { signature } from '${root}/src/core/signature.ts';`,
    'const routing = signature({ inputs: { ticket: z.string() }, outputs: { team: z.enum(team) } });',
    'export default {',
    '  program: predict(routing),',
    '  metric: ({ labels }: { labels: { team: string } }, { team }: { team: string }) => team === labels.team,',
    "  strategy: 'p',",
    "  data: 'tickets.jsonl',",
    '};',
  );

const labels = (...team: readonly string[]): string =>
  written('labels.ts', `export const team = ${JSON.stringify(team)} as const;`);

const refusalOf = async (path: string): Promise<InputError> => {
  const error = await loadExperiment(path).then(
    () => expect.fail('it was not refused'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof InputError)) throw error;
  return error;
};

test('a TypeScript file that imports a local module and a package is loaded', async () => {
  labels('billing', 'delivery');
  const { spec, folder: at } = await loadExperiment(plain());
  expect({ strategy: spec.strategy, data: spec.data, at }).toEqual({
    strategy: 'p',
    data: 'tickets.jsonl',
    at: folder,
  });
  expect(spec.program.structure.predictors.predict?.outputFields).toEqual([
    { name: 'team', description: '', kind: { type: 'choice', values: ['billing', 'delivery'] }, constraints: [] },
  ]);
});

test('a JavaScript file is loaded', async () => {
  const path = written('experiment.js', 'export default { program: 1, metric: 2, seed: 7 };');
  expect((await loadExperiment(path)).spec).toEqual({ program: 1, metric: 2, seed: 7 });
});

test('nothing is left beside the file', async () => {
  labels('billing');
  await loadExperiment(plain());
  expect(readdirSync(folder).toSorted()).toEqual(['experiment.ts', 'labels.ts', 'node_modules']);
});

test('the same content has the same sources, wherever it lies', async () => {
  const content = 'export default { program: 1, metric: 2 };';
  mkdirSync(join(folder, 'elsewhere'));
  const [one, other] = [written('one.js', content), written('elsewhere/two.js', content)];
  expect((await loadExperiment(one)).sources).toEqual((await loadExperiment(other)).sources);
});

test('a source is the sha256 of a file', async () => {
  const path = written('experiment.js', 'export default { program: 1, metric: 2 };');
  // echo 'export default { program: 1, metric: 2 };' | sha256sum
  expect((await loadExperiment(path)).sources).toEqual([
    'dacfa6088160719424d9b4bf252fbcea3f45d2241e95d75e61ba7301f1771984',
  ]);
});

test('another imported module is another experiment', async () => {
  labels('billing', 'delivery');
  const before = await loadExperiment(plain());
  labels('billing', 'account');
  const after = await loadExperiment(plain());
  expect(after.sources).toHaveLength(before.sources.length);
  expect(after.sources).not.toEqual(before.sources);
  expect(after.spec.program.structure.predictors.predict?.outputFields[0]?.kind).toEqual({
    type: 'choice',
    values: ['billing', 'account'],
  });
});

test('imported JSON is part of the experiment', async () => {
  const path = written(
    'experiment.js',
    "import s from './s.json';",
    'export default { program: 1, metric: 2, seed: s.seed };',
  );
  written('s.json', '{ "seed": 3 }');
  const before = await loadExperiment(path);
  written('s.json', '{ "seed": 4 }');
  const after = await loadExperiment(path);
  expect([before.spec.seed, after.spec.seed]).toEqual([3, 4]);
  expect(after.sources).not.toEqual(before.sources);
});

test('a module that is not imported is no part of it', async () => {
  labels('billing');
  const before = await loadExperiment(plain());
  written('notes.ts', 'export const note = 1;');
  expect((await loadExperiment(plain())).sources).toEqual(before.sources);
});

test('packages are no part of it', async () => {
  const path = written(
    'experiment.js',
    "import { z } from 'zod';",
    'export default { program: z.string(), metric: 2 };',
  );
  expect((await loadExperiment(path)).sources).toHaveLength(1);
});

test('a file that is not there is refused', async () => {
  const path = join(folder, 'nowhere.ts');
  expect(await refusalOf(path)).toEqual(
    new InputError(
      'experiment-missing',
      [`There is no experiment file ${path}.`],
      'Name a .ts or .js file that exports experiment({...}).',
    ),
  );
});

test('a syntax error is refused with its place', async () => {
  const path = written('experiment.ts', '', 'export default { program: 1, };;', 'const = 3;');
  const { code, message } = await refusalOf(path);
  expect(code).toBe('experiment-invalid');
  expect(message).toContain('experiment.ts:3:6');
});

test('an import that cannot be found is refused by name', async () => {
  const path = written(
    'experiment.ts',
    "import { x } from './nowhere.ts';",
    'export default { program: x, metric: x };',
  );
  const { code, message } = await refusalOf(path);
  expect([code, message.includes('./nowhere.ts')]).toEqual(['experiment-invalid', true]);
});

test('a package that cannot be found is refused by name', async () => {
  const path = written(
    'experiment.ts',
    "import { x } from 'no-such-package';",
    'export default { program: x, metric: x };',
  );
  const { code, message } = await refusalOf(path);
  expect([code, message.includes('no-such-package')]).toEqual(['experiment-invalid', true]);
});

test('an error while it runs is refused, and nothing is left', async () => {
  const path = written('experiment.ts', "throw new Error('no tickets today');");
  const { code, message } = await refusalOf(path);
  expect([code, message]).toEqual(['experiment-invalid', `${path} cannot be run: no tickets today`]);
  expect(readdirSync(folder).toSorted()).toEqual(['experiment.ts', 'node_modules']);
});

test.each([
  ['no default export', 'export const program = 1;'],
  ['a default export without a metric', 'export default { program: 1 };'],
  ['a default export without a program', 'export default { metric: 1 };'],
  ['a default export that is no object', 'export default 3;'],
])('%s is refused with an example', async (_, line) => {
  const path = written('experiment.ts', line);
  expect(await refusalOf(path)).toEqual(
    new InputError(
      'experiment-invalid',
      [`${path} has no default export with a program and a metric.`],
      'export default experiment({ program: predict(...), metric: exactMatch(), data: "tickets.jsonl" });',
    ),
  );
});

test('experiment() returns what it is given', () => {
  // `as`: what it is given does not matter here.
  const spec = { seed: 3 } as unknown as Parameters<typeof experiment>[0];
  expect(experiment(spec)).toBe(spec);
});
