import { interleaved } from './interleaved.mjs';
import { openModel, requestOf } from './model.mjs';

/** How long it takes until a model answers: checked, its process started, loaded, probed, and its first token out; and the second time. */
export async function bench(say) {
  say('3 rounds of opening the model …');
  const { first, again } = await interleaved(
    { first: () => secondsToAnswer(false), again: () => secondsToAnswer(true) },
    3,
  );
  return {
    figures: { secondsToFirstToken: round(first.seconds), secondsAfterRelease: round(again.seconds) },
    head: ['start', 'seconds to the first token'],
    rows: [
      ['a model file never seen before', round(first.seconds)],
      ['opened again after release()', round(again.seconds)],
    ],
  };
}

async function secondsToAnswer(isOpenedAgain) {
  const started = performance.now();
  const lm = await openModel({ contextTokens: 2048 });
  const ask = () => lm.generate(requestOf(lm, { user: 'Hello?', maxTokens: 1 }), { adapter: null });
  await ask();
  const first = (performance.now() - started) / 1000;
  await lm.release();
  if (!isOpenedAgain) return { seconds: first };
  const reopened = performance.now();
  await ask();
  const seconds = (performance.now() - reopened) / 1000;
  await lm.release();
  return { seconds };
}

const round = (seconds) => Number(seconds.toFixed(3));
