// Stands in for a Python with the trainer's package: `fake-python.mjs SETTINGS -m better_together_trainer versions | run JOB.json`.
// Settings: `versions` and `cuda` change what it describes, `refuse` is the code of an error that every job ends with.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const [settingsText, , module, command, jobFile] = process.argv.slice(2);
const settings = JSON.parse(settingsText);
const say = (type, fields) => writeSync(3, `${JSON.stringify({ v: 1, type, ...fields })}\n`);
appendFileSync(settings.journal, `${command}\n`);

if (module !== 'better_together_trainer') throw new Error(`asked for ${module}`);
if (settings.broken) throw new Error(settings.broken);
if (command === 'versions') {
  const described = {
    versions: { python: '3.11.7', torch: '2.15.0', ...settings.versions },
    platform: 'linux-x86_64',
    cuda: { torchBuild: '13.2', driver: null, devices: 0, usable: false, ...settings.cuda },
    metal: { usable: settings.metal ?? false },
  };
  console.log(JSON.stringify(described));
} else {
  const job = JSON.parse(readFileSync(jobFile, 'utf8'));
  const folder = dirname(jobFile);
  if (settings.refuse) {
    say('error', { code: settings.refuse, message: 'It cannot be.', hint: 'Do otherwise.' });
    process.exit(2);
  }
  const positions = job.probe.flatMap((probe) => probe.positions);
  const probabilities = (offset) => Float32Array.from(positions.flatMap((position) => [offset, position]));
  if (job.kind === 'import') {
    mkdirSync(`${job.out}.partial`); // fails when somebody else imports
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (existsSync(job.out)) rmdirSync(`${job.out}.partial`);
    else renameSync(`${job.out}.partial`, job.out);
    writeFileSync(join(folder, 'probe.f32'), probabilities(-1));
  } else {
    say('progress', { step: 1, steps: 1, loss: 0.5, secondsLeft: 0 });
    writeFileSync(join(folder, 'probe-base.f32'), probabilities(-1));
    writeFileSync(join(folder, 'probe-adapter.f32'), probabilities(-2));
    const rescored = [{ row: 0, promptIds: [1, 2], completionIds: [3], logProbabilities: [-0.5] }];
    writeFileSync(join(folder, 'rescored.json'), JSON.stringify(rescored));
    const result = {
      sha256: 'a1',
      steps: 1,
      keptStep: 1,
      losses: [{ step: 1, loss: 0.5 }],
      heldOutLosses: [{ step: 1, loss: 0.75 }],
      forgetting: { positions: 2, meanKl: 0.25, worstKl: 0.5 },
      supervisedTokens: 3,
      seconds: { load: 1, train: 2.5 },
    };
    writeFileSync(join(folder, 'result.json'), JSON.stringify(result));
  }
  writeFileSync(join(folder, 'environment.json'), JSON.stringify(process.env));
}
