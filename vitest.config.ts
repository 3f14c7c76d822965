import { defineConfig } from 'vitest/config';

// One worker each: the machine's few cores belong to the model that the tests open.
const alone = { pool: 'forks', maxWorkers: 1 } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/end-to-end/**', 'test/long/**'],
          typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'], tsconfig: 'test/types/tsconfig.json' },
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...alone,
        },
      },
      {
        test: {
          name: 'end-to-end',
          include: ['test/end-to-end/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          ...alone,
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/long/**/*.test.ts'],
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          ...alone,
        },
      },
    ],
  },
});
