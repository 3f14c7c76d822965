import { runJob } from '../../src/trainer/run-job.ts';

/** Runs a job that never ends. Arguments: the fake trainer, the job's folder. */
const [fakeTrainer = '', folder = ''] = process.argv.slice(2);
await runJob(
  { kind: 'sft' },
  {
    command: { program: process.execPath, args: [fakeTrainer, 'work on'], environment: {} },
    isLaunched: false,
    folder,
    onPhase: (phase) => console.log(phase),
  },
);
