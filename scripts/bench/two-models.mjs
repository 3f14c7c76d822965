import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inCheckout } from '../setup/checkout.mjs';

const dist = (name) => new URL(`../../dist/${name}.js`, import.meta.url);
const { localModel } = await import(dist('index'));
const { createModelGate } = await import(dist('run/model-gate'));

const rounds = 3;
const calls = 256;
const prompts = { student: 'Which team should answer?', teacher: 'Say what is wrong with the instructions.' };

/** Student and prompt model asked at the same time through a run's gate, against each of them alone: calls per second of computing. */
export async function bench(say) {
  const folder = mkdtempSync(join(tmpdir(), 'better-together-bench-'));
  const student = await open(inCheckout('models/SmolLM2-135M-Instruct.Q8_0.gguf'));
  // The same weights in a file of their own: another process, with a cache of its own.
  const copy = join(folder, 'teacher.gguf');
  copyFileSync(student.base.path, copy);
  const teacher = await open(copy);
  try {
    await Promise.all([student.engine(), teacher.engine()]);
    const measured = [];
    for (let round = 0; round <= rounds; round++) {
      say(`round ${round} of ${rounds} …`);
      const alone = { student: await secondsFor([student], round), teacher: await secondsFor([teacher], round) };
      const gate = createModelGate();
      const together = await secondsFor([student, teacher].map(gate.guard), round);
      // The first round warms up.
      if (round > 0) measured.push({ ratio: (alone.student + alone.teacher) / together, switches: gate.switches() });
    }
    const ratio = Number(median(measured.map((one) => one.ratio)).toFixed(3));
    const { switches } = measured[0];
    return {
      figures: { throughputOfAlone: ratio, switches },
      head: ['two models through one gate', ''],
      rows: [
        ['throughput, of each alone', ratio],
        [`switches in ${2 * calls} calls`, switches],
      ],
    };
  } finally {
    await Promise.all([student.release(), teacher.release()]);
    rmSync(folder, { recursive: true });
  }
}

const open = (gguf) => localModel({ gguf, device: 'cpu', threads: availableParallelism(), contextTokens: 512 });

async function secondsFor(models, round) {
  const started = performance.now();
  const systems = Object.values(prompts);
  await Promise.all(
    models.flatMap((lm, model) =>
      Array.from({ length: calls }, (_, index) =>
        lm.generate(requestOf(lm, systems[model], `word ${round} ${index}`), { adapter: null }),
      ),
    ),
  );
  return (performance.now() - started) / 1000;
}

const requestOf = (lm, system, user) => ({
  model: { base: lm.base.sha256, adapter: null },
  prompt: { system, turns: [], user },
  answer: null,
  choice: 'greedy',
  sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, maxTokens: 8, seed: 0 },
});

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
