import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Interrupted, StepError, WorldError } from '../../src/core/errors.ts';
import type { Json } from '../../src/core/json.ts';
import { type JobOptions, runJob } from '../../src/trainer/run-job.ts';
import { startProgram } from '../system/program.ts';

const fakeTrainer = fileURLToPath(new URL('./fake-trainer.mjs', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'better-together-job-')), 'work');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

function run(deed: string, job: Json = {}, options: Partial<JobOptions> = {}): Promise<void> {
  const command = { program: process.execPath, args: [fakeTrainer, deed], environment: {} };
  return runJob(job, { command, isLaunched: false, folder, ...options });
}

const errorOf = (job: Promise<void>): Promise<unknown> =>
  job.then(
    () => 'done',
    (error) => error,
  );

describe('a job that gets done', () => {
  test('leaves its result in the folder and tells how it goes, each phase once', async () => {
    const [progress, phases]: [unknown[], string[]] = [[], []];
    const job = { kind: 'sft', seed: 7 };
    await run('done', job, { onProgress: (p) => progress.push(p), onPhase: (phase) => phases.push(phase) });
    expect(progress).toEqual([{ step: 1, steps: 2, loss: 0.5, secondsLeft: 3 }]);
    expect(phases).toEqual(['trainer: load', 'Something is odd.']);
    expect(JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'))).toEqual(job);
  });

  test('tells the same through a launcher that closes every descriptor but the standard ones', async () => {
    const phases: string[] = [];
    const command = {
      program: 'sh',
      args: ['-c', 'exec 3>&-; exec "$@"', 'sh', process.execPath, fakeTrainer, 'done'],
      environment: {},
    };
    await run('', {}, { command, isLaunched: true, onPhase: (phase) => phases.push(phase) });
    expect(phases).toEqual(['trainer: load', 'Something is odd.']);
  });

  test('keeps its files to this user', async () => {
    await run('done');
    const mode = (name: string) => (statSync(join(folder, name)).mode & 0o777).toString(8);
    expect(['', 'job.json', 'trainer.log'].map(mode)).toEqual(['700', '600', '600']);
  });
});

describe('what would repeat fails the step:', () => {
  test.each([
    ['a bad job', 2],
    ['a failed check', 3],
    ['no room for a single row', 4],
  ])('%s', async (_, exitCode) => {
    const error = await errorOf(run('refuse', { code: 'bad-rows', exitCode }));
    expect(error).toBeInstanceOf(StepError);
    expect(error).toMatchObject({ code: 'bad-rows', message: 'It cannot be.', hint: 'Do otherwise.' });
  });
});

describe('what the world did stops the run:', () => {
  const worldError = async (job: Promise<void>, code: string, message: RegExp) => {
    const error = await errorOf(job);
    expect(error).toBeInstanceOf(WorldError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(error).toMatchObject({ hint: expect.stringContaining('nothing computed so far is lost') });
    return error;
  };

  test('a crash, with the end of the log', async () => {
    const error = await worldError(run('crash'), 'trainer-crashed', /exit code 1\.[\s\S]*the device was lost$/);
    expect(String(error).length).toBeLessThan(9000);
  });

  test('a crash that it could still explain', () =>
    worldError(run('refuse', { code: 'crash', exitCode: 1 }), 'trainer-crashed', /exit code 1\. It cannot be\./));

  test('a kill from outside', () => worldError(run('killed'), 'trainer-crashed', /killed by SIGKILL/));

  test('a full disk', () => worldError(run('refuse', { code: 'disk-full', exitCode: 1 }), 'disk-full', /cannot be/));

  test('a line that is no event', () => worldError(run('garble'), 'trainer-protocol', /not an event: Loading weights/));

  test('silence', () =>
    worldError(run('fall silent', {}, { silenceMs: 300 }), 'trainer-silent', /sign of life for 0\.3 seconds/));

  test('a program that is not there', async () => {
    const command = { program: join(folder, 'no-launcher'), args: [], environment: {} };
    const error = await errorOf(run('', {}, { command }));
    expect(error).toMatchObject({ code: 'trainer-not-started', message: expect.stringContaining('no-launcher') });
  });
});

describe('a request to stop', () => {
  test('lets the trainer save, and is not an error of the step', async () => {
    const stop = new AbortController();
    const error = await errorOf(run('work on', {}, { signal: stop.signal, onPhase: () => stop.abort() }));
    expect(error).toBeInstanceOf(Interrupted);
    expect(readFileSync(join(folder, 'stopped'), 'utf8')).toBe('SIGTERM');
  });

  test('before the start starts nothing', async () => {
    expect(await errorOf(run('done', {}, { signal: AbortSignal.abort() }))).toBeInstanceOf(Interrupted);
    expect(existsSync(folder)).toBe(false);
  });

  test('ends a trainer that does not listen once its time is over', async () => {
    const stop = new AbortController();
    const options = { signal: stop.signal, onPhase: () => stop.abort(), graceMs: 100 };
    expect(await errorOf(run('ignore SIGTERM', {}, options))).toBeInstanceOf(Interrupted);
  });

  test('by somebody else counts as one too', async () => {
    const onPhase = () => process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGTERM');
    expect(await errorOf(run('work on', {}, { onPhase }))).toBeInstanceOf(Interrupted);
  });
});

test('a trainer whose parent is killed saves and ends', async () => {
  const parent = startProgram(new URL('./trainer-parent.ts', import.meta.url), [fakeTrainer, folder]);
  expect(await parent.line()).toBe('trainer: train');
  parent.process.kill('SIGKILL');
  await parent.rest();
  await vi.waitFor(() => expect(readFileSync(join(folder, 'stopped'), 'utf8')).toBe('stdin closed'));
});

test('a listener that throws ends the trainer and is heard', async () => {
  const onPhase = () => {
    throw new Error('the listener broke');
  };
  await expect(run('work on', {}, { onPhase })).rejects.toThrow('the listener broke');
});
