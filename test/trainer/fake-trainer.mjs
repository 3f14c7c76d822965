// Speaks the trainer's protocol and does one thing: `node fake-trainer.mjs DEED run JOB.json`.
import { appendFileSync, readFileSync, writeFileSync, writeSync } from 'node:fs';

const [deed, command, jobFile] = process.argv.slice(2);
if (command !== 'run') throw new Error(`asked to ${command}`);
const job = JSON.parse(readFileSync(jobFile, 'utf8'));

function write(line) {
  const file = process.env.BETTER_TOGETHER_EVENTS;
  try {
    if (file) appendFileSync(file, `${line}\n`);
    else writeSync(3, `${line}\n`);
  } catch {} // nobody listens any more: like the trainer, work on
}
const say = (type, fields) => write(JSON.stringify({ v: 1, type, ...fields }));
const beat = () => setInterval(() => say('heartbeat', { phase: 'train', seconds: 1 }), 20);
function stopOn(reason) {
  writeFileSync('stopped', reason);
  say('stopped', { reason });
  process.exit(75);
}

const deeds = {
  done() {
    say('heartbeat', { phase: 'load', seconds: 0 });
    say('heartbeat', { phase: 'load', seconds: 2 });
    say('warning', { code: 'odd', message: 'Something is odd.', hint: 'None.' });
    say('progress', { step: 1, steps: 2, loss: 0.5, secondsLeft: 3, tokensPerSecond: 7 });
    console.log('{"noise": "of a library"}');
    writeFileSync('result.json', JSON.stringify(job));
    say('result', { kind: job.kind });
  },
  refuse() {
    say('error', { code: job.code, message: 'It cannot be.', hint: 'Do otherwise.' });
    process.exit(job.exitCode);
  },
  crash() {
    console.log('a'.repeat(10_000));
    console.error('Traceback: the device was lost');
    process.exit(1);
  },
  killed: () => process.kill(process.pid, 'SIGKILL'),
  garble() {
    write('Loading weights: 100%');
    beat();
  },
  'fall silent': () => setInterval(() => undefined, 1000),
  'work on'() {
    process.on('SIGTERM', () => stopOn('SIGTERM'));
    process.stdin.on('end', () => stopOn('stdin closed')).resume();
    beat();
  },
  'ignore SIGTERM'() {
    process.on('SIGTERM', () => undefined);
    beat();
  },
};
writeFileSync('pid', String(process.pid));
say('start', { pid: process.pid });
deeds[deed]();
