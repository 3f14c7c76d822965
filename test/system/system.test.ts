import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { isoTime, now } from '../../src/system/clock.ts';
import { environmentVariable, offlineEnvironment } from '../../src/system/environment.ts';
import {
  defaultStorePath,
  importsFolder,
  modelsFolder,
  pythonFolder,
  trainerSource,
} from '../../src/system/folders.ts';
import { cores, idleCores } from '../../src/system/hardware.ts';

test('a checkout keeps models, Python and imports to itself', () => {
  const root = join(trainerSource(), '..');
  expect(existsSync(join(root, 'package.json'))).toBe(true);
  expect([modelsFolder(), pythonFolder(), importsFolder()]).toEqual([
    join(root, 'models'),
    join(root, 'python-trainer', '.venv'),
    join(root, '.better-together', 'imports'),
  ]);
});

test('runs are kept beside the work', () => {
  expect(isAbsolute(defaultStorePath())).toBe(false);
});

test('a variable that is set to nothing is not set', () => {
  vi.stubEnv('BETTER_TOGETHER_TEST', '');
  expect(environmentVariable('BETTER_TOGETHER_TEST')).toBeUndefined();
  vi.stubEnv('BETTER_TOGETHER_TEST', 'x');
  expect(environmentVariable('BETTER_TOGETHER_TEST')).toBe('x');
  vi.unstubAllEnvs();
});

test('children are told to stay off the network', () => {
  expect(offlineEnvironment()).toMatchObject({ HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', DO_NOT_TRACK: '1' });
});

test('there is at least one idle core, and no more than there are', async () => {
  const idle = await idleCores();
  expect(cores()).toBe(availableParallelism());
  expect(idle).toBeGreaterThanOrEqual(1);
  expect(idle).toBeLessThanOrEqual(cores());
});

test('time is written in UTC', () => {
  expect(isoTime(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(isoTime(now())).toMatch(/^\d{4}-/);
});
