import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

// design.md, 4: folders and who may import whom. Types count: an import is an import.

const src = resolve(import.meta.dirname, '../src');

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'))
  .toSorted();

const text = (file: string): string => readFileSync(join(src, file), 'utf8');

/** The code of a file, without its comments: line by line, as a reader sees them. */
const code = (file: string): string =>
  text(file)
    .replaceAll(/^\s*\/\*[\s\S]*?\*\//gm, '')
    .replaceAll(/(^|\s)\/\/.*$/gm, '');

/** What a file imports: `core/json.ts` for ours, the bare name for a package. */
function importsOf(file: string): string[] {
  const specifiers = [...code(file).matchAll(/(?:\bfrom\s+|\bimport\s+|\bimport\()'([^']+)'/g)].map(
    ([, name]) => name!,
  );
  return specifiers.map((name) =>
    name.startsWith('.') ? relative(src, resolve(src, dirname(file), name)).replaceAll('\\', '/') : name,
  );
}

const isOurs = (name: string): boolean => name.endsWith('.ts');
const layerOf = (file: string): string => file.split('/')[0]!;

const mayImport: { readonly [layer: string]: readonly string[] } = {
  core: [],
  evaluate: ['core'],
  optimize: ['core'],
  report: ['core'],
  run: ['core', 'evaluate'],
  lm: ['core', 'system'],
  trainer: ['core', 'system'],
  store: ['core', 'system'],
  serve: ['core', 'system'],
  system: ['core/errors.ts'],
};
const knowsEveryName = ['cli', 'index.ts'];

test('every folder has its rule', () => {
  const layers = new Set(files.map(layerOf));
  expect([...layers].filter((layer) => !(layer in mayImport) && !knowsEveryName.includes(layer))).toEqual([]);
});

describe.each(Object.entries(mayImport))('%s', (layer, allowed) => {
  test(`imports of ours ${allowed.length === 0 ? 'nothing' : allowed.join(' and ')}, beside itself`, () => {
    const strangers = files
      .filter((file) => layerOf(file) === layer)
      .flatMap((file) => importsOf(file).map((name) => ({ file, name })))
      .filter(
        ({ name }) => isOurs(name) && ![layer, ...allowed].some((known) => known === name || known === layerOf(name)),
      );
    expect(strangers).toEqual([]);
  });
});

test('core imports from packages zod, seedrandom and node:crypto only', () => {
  const packages = files
    .filter((file) => layerOf(file) === 'core')
    .flatMap(importsOf)
    .filter((name) => !isOurs(name));
  expect([...new Set(packages)].toSorted()).toEqual(['node:crypto', 'seedrandom', 'zod']);
});

test('every import of ours is a file that is there', () => {
  const missing = files.flatMap((file) => importsOf(file).filter((name) => isOurs(name) && !files.includes(name)));
  expect(missing).toEqual([]);
});

test('nothing is imported in a circle', () => {
  const imports = new Map(files.map((file) => [file, importsOf(file).filter(isOurs)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    else if (!done.has(file)) for (const next of imports.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
  expect(circles).toEqual([]);
});

const using = (pattern: RegExp, where = files): string[] =>
  where.flatMap((file) => [...code(file).matchAll(pattern)].map(([found]) => `${file}: ${found}`));

const layersUsing = (pattern: RegExp): string[] => [...new Set(using(pattern).map(layerOf))];

const pure = files.filter((file) => ['core', 'evaluate', 'optimize', 'report', 'run'].includes(layerOf(file)));

test('chance enters through a seed only', () => {
  expect([...using(/\bMath\.random\b/g), ...using(/\brandom(?:UUID|Bytes|Int)\b/g, pure)]).toEqual([]);
});

test('time enters through system only', () => {
  expect(layersUsing(/\bDate\.now\b|\bnew Date\b|\bperformance\.now\b|\bprocess\.hrtime\b/g)).toEqual(['system']);
});

test('the environment enters through system only', () => {
  expect(layersUsing(/\bprocess\.env\b/g)).toEqual(['system']);
});

test('no type is any', () => {
  expect(using(/\bas any\b|: any\b|<any\b|\bany\[\]/g)).toEqual([]);
});

test('nothing in core, evaluate, optimize, report or run prints or touches files and processes', () => {
  const worldly = [
    ...using(/\bconsole\.\w+|\bprocess\.\w+/g, pure),
    ...pure.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('node:') && name !== 'node:crypto')
        .map((name) => `${file}: ${name}`),
    ),
  ];
  expect(worldly).toEqual([]);
});
